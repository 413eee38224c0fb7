// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
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
    std::uint64_t resident_bytes = 0; ///< Pages that several share count for each.
    /// Of those that live and of those that they have waited for; orphans that ended are lost.
    std::chrono::microseconds cpu{};
  };
  /// What they use all together.
  [[nodiscard]] usage used();

  static constexpr std::size_t most_members = 4'096;

private:
  pid_t worker_;
  pid_t holder_ = 0;
  bool searched_ = false;
};

} // namespace vivarium::sandbox
