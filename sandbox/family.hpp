// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

namespace vivarium::sandbox {

/// The processes of one session, seen from outside: the worker, what it started, and what was
/// orphaned on the way, which the holder of its pid namespace has inherited. Read from /proc, so a
/// figure may be of a moment ago; no process can hide from it or add itself to another's. Any
/// thread, one at a time.
class family {
public:
  explicit family(pid_t worker) noexcept : worker_{worker} {}

  /// All processes but the holder, the worker first; bounded by `most_members`. The first call
  /// looks for the holder among all processes of the machine, later ones at the session's own only.
  [[nodiscard]] std::vector<pid_t> members();

  struct usage {
    std::size_t processes = 0;
    /// What they take, by the measure of a worker's limit; a page that several share counts once.
    std::uint64_t memory_bytes = 0;
    /// Of all but the worker's own threads, of processes that have ended as well. One that nobody
    /// waited for counts as far as a call saw it, unless a control group counts for all; so what
    /// begins and ends between two calls can be missed, and nothing is counted twice.
    std::chrono::microseconds others_cpu{};
  };
  /// What they use all together. Walks their page tables: takes milliseconds where they are large.
  usage used();

  /// Names the session's control group, whose CPU time is exact.
  void counted_by(std::string cgroup) { cgroup_ = std::move(cgroup); }

  static constexpr std::size_t most_members = 4'096;

private:
  struct cpu_reading {
    std::chrono::microseconds own{};
    std::chrono::microseconds waited{}; // of children that ended and were waited for
  };
  std::chrono::microseconds add_up(std::map<pid_t, cpu_reading> now);

  pid_t worker_;
  std::string cgroup_;
  std::map<pid_t, cpu_reading> seen_; // at the last call; the holder among them
  std::chrono::microseconds lost_{};  // of processes that nobody waited for
  pid_t holder_ = 0;
  bool searched_ = false;
};

/// CPU time of a process's children that it has waited for, and of theirs. Zero: it is gone.
std::chrono::microseconds waited_cpu_of(pid_t host_pid);

} // namespace vivarium::sandbox
