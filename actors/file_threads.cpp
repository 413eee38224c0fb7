// SPDX-License-Identifier: Apache-2.0
#include "actors/file_threads.hpp"

#include <boost/asio/post.hpp>

#include <csignal>
#include <utility>

namespace vivarium {

namespace {

constexpr std::size_t thread_count = 2;

} // namespace

file_threads::file_threads(boost::asio::io_context& reactor) : reactor_{reactor} {}

file_threads::~file_threads() {
  stop();
}

void file_threads::stop() {
  {
    const std::lock_guard lock{mutex_};
    ending_ = true;
  }
  changed_.notify_all();
  for (auto& one : threads_)
    one.join();
  threads_.clear();
}

bool file_threads::run(const std::string& tenant, std::function<void()> work,
                       std::function<void()> after) {
  {
    const std::lock_guard lock{mutex_};
    auto& waiting = waiting_[tenant];
    if (ending_ || waiting >= most_waiting)
      return false;
    ++waiting;
    jobs_.push(tenant, {std::move(work), std::move(after), tenant});
  }
  changed_.notify_one();
  if (threads_.empty())
    start();
  return true;
}

void file_threads::start() {
  // Signals are the reactor's business: the threads inherit that they get none.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  for (std::size_t n = 0; n < thread_count; ++n)
    threads_.emplace_back([this] { loop(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void file_threads::loop() {
  for (;;) {
    job next;
    {
      std::unique_lock lock{mutex_};
      changed_.wait(lock, [this] { return ending_ || !jobs_.empty(); });
      if (ending_)
        return;
      next = jobs_.pop();
      if (auto it = waiting_.find(next.tenant); --it->second == 0)
        waiting_.erase(it);
    }
    next.work();
    // What the job holds is let go where it came from.
    boost::asio::post(reactor_, [done = std::move(next)] { done.after(); });
  }
}

} // namespace vivarium
