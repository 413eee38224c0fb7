// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace vivarium {
inline namespace client_v1 {
namespace detail {

/// Threads that run tasks in the order they come, many at once. A thread is made when all others
/// are at work, up to a number; tasks beyond wait. Any thread.
class task_pool {
public:
  /// Without threads; at least one is made when there is a task.
  explicit task_pool(std::size_t most_threads);
  task_pool(const task_pool&) = delete;
  task_pool& operator=(const task_pool&) = delete;
  ~task_pool() { stop(); }

  /// Runs a task, which must not throw; after `stop` it is let go of instead.
  void run(std::function<void()> task);
  /// Whether there is a thread.
  [[nodiscard]] bool started() const noexcept;
  /// Lets go of the tasks that have not begun and waits for those that have; called by one of them,
  /// for all but that.
  void stop() noexcept;

private:
  struct state;
  std::shared_ptr<state> state_;
};

} // namespace detail
} // namespace client_v1
} // namespace vivarium
