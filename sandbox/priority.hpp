// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"

#include <cstdint>

#include <sched.h>
#include <sys/types.h>

namespace vivarium::sandbox {

/// Returns by how much nicer than the daemon a worker shall be for a share of the CPU, 100 being
/// the usual one: a step is a quarter more or less. Never below 1: whoever serves all comes before
/// any of them.
[[nodiscard]] int niceness_of(unsigned weight) noexcept;

/// Makes a worker, and every thread and process that it will start, so much nicer than this process
/// is. For machines without a cgroup to put it into; the worker cannot undo it.
[[nodiscard]] status make_nicer(pid_t worker, int by);

/// How a process stands towards those of others.
enum class standing : std::uint8_t {
  usual,
  ahead,  ///< Of those behind, where that takes keeping it away from them.
  behind, ///< It runs when nobody else wants to.
};

/// By what this process can put others behind, and take that back. What only goes one way is not
/// used: whoever was greedy once would pay for it until its session ends.
enum class priority_power : std::uint8_t {
  none,
  processors, ///< Those behind get one half of the processors, those ahead the other.
  policy,     ///< SCHED_IDLE, whom the kernel interrupts at once for anybody else.
};

/// Puts processes behind others and back. Any thread; a copy is as good.
class priorities {
public:
  /// Finds out what this process may do; tries it on a thread of its own.
  priorities();

  [[nodiscard]] priority_power power() const noexcept { return power_; }
  /// Uses less than it could; for tests.
  void restrain(priority_power most) noexcept;

  /// Gives a process, with all of its threads, another standing; the processes and threads that
  /// those start inherit it. Bounded; 10 us and more. One that is gone is no error.
  status put(pid_t process, standing where) const;
  /// The same for a process with one thread; 1 us.
  status put_single(pid_t process, standing where) const;

private:
  [[nodiscard]] int put_thread(pid_t thread, standing where) const noexcept;

  priority_power power_ = priority_power::none;
  cpu_set_t all_{};
  cpu_set_t first_{};
  cpu_set_t second_{};
};

/// Makes all that is in the same session (setsid) as `member` so nice towards other sessions, where
/// the kernel groups processes by them (sched_autogroup_enabled): there niceness, and SCHED_IDLE,
/// only mean something within a session. An ordinary user may do that ten times a second and is
/// then refused with `limit_exceeded`; nothing is done where there are no such groups.
status make_group_nice(pid_t member, int niceness);

/// The parent of a process; 0: it is gone.
[[nodiscard]] pid_t parent_of(pid_t process);
/// The first child of a process; 0: it has none.
[[nodiscard]] pid_t child_of(pid_t process);

} // namespace vivarium::sandbox
