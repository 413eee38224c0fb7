// SPDX-License-Identifier: Apache-2.0
#include "daemon/side_thread.hpp"

#include <boost/asio/post.hpp>

#include <csignal>
#include <utility>

namespace vivarium {

side_thread::side_thread(boost::asio::any_io_executor reactor) : reactor_{std::move(reactor)} {}

side_thread::~side_thread() {
  {
    const std::lock_guard lock{mutex_};
    ending_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable())
    thread_.join();
}

void side_thread::run(std::function<void()> work, std::function<void()> after) {
  {
    const std::lock_guard lock{mutex_};
    jobs_.push_back({std::move(work), std::move(after)});
  }
  changed_.notify_one();
  if (thread_.joinable())
    return;
  // Signals are the reactor's business: the thread inherits that it gets none.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread{[this] { loop(); }};
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void side_thread::loop() {
  for (;;) {
    job next;
    {
      std::unique_lock lock{mutex_};
      changed_.wait(lock, [this] { return ending_ || !jobs_.empty(); });
      if (ending_)
        return;
      next = std::move(jobs_.front());
      jobs_.pop_front();
    }
    next.work();
    // What the job holds is let go where it came from.
    boost::asio::post(reactor_, [done = std::move(next)] { done.after(); });
  }
}

} // namespace vivarium
