// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/src/task_pool.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace vivarium {
inline namespace client_v1 {
namespace detail {

/// Shared with the threads: one of them may outlive the pool that it stops.
struct task_pool::state {
  const std::size_t most;
  std::mutex mutex; // guards the rest
  std::condition_variable changed;
  std::deque<std::function<void()>> tasks;
  std::vector<std::thread> threads;
  std::size_t idle = 0;
  bool stopped = false;

  explicit state(std::size_t most_threads) : most{std::max<std::size_t>(most_threads, 1)} {}

  void work() {
    std::unique_lock lock{mutex};
    for (;;) {
      ++idle;
      changed.wait(lock, [this] { return stopped || !tasks.empty(); });
      --idle;
      if (stopped)
        return;
      auto task = std::move(tasks.front());
      tasks.pop_front();
      lock.unlock();
      task();
      task = nullptr; // What it holds may end here, not under the lock.
      lock.lock();
    }
  }
};

task_pool::task_pool(std::size_t most_threads) : state_{std::make_shared<state>(most_threads)} {}

void task_pool::run(std::function<void()> task) {
  auto& in = *state_;
  {
    const std::lock_guard lock{in.mutex};
    if (in.stopped)
      return;
    in.tasks.push_back(std::move(task));
    try {
      if (in.tasks.size() > in.idle && in.threads.size() < in.most)
        in.threads.emplace_back([shared = state_] { shared->work(); });
    } catch (const std::system_error&) { // No more threads to be had: those there are do it, or
    }                                    // the next task tries again.
  }
  in.changed.notify_one();
}

bool task_pool::started() const noexcept {
  const std::lock_guard lock{state_->mutex};
  return !state_->threads.empty();
}

void task_pool::stop() noexcept {
  std::deque<std::function<void()>> left;
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock{state_->mutex};
    state_->stopped = true;
    left.swap(state_->tasks);
    threads.swap(state_->threads);
  }
  state_->changed.notify_all();
  for (auto& each : threads) {
    // A task may be what ends the pool, and cannot wait for itself.
    if (each.get_id() == std::this_thread::get_id())
      each.detach();
    else
      each.join();
  }
}

} // namespace detail
} // namespace client_v1
} // namespace vivarium
