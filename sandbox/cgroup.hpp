// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <sys/types.h>

namespace vivarium::sandbox {

/// Whether and where control groups are used (`sandbox.cgroup`).
struct cgroup_choice {
  enum class kind : std::uint8_t { automatic, off, required, path };
  kind what = kind::automatic;
  std::string path; ///< A folder of a cgroup2 mount, of the operator's choice.
};

/// Where this process could make control groups, and what they could do there.
struct cgroup_site {
  bool usable = false;
  std::string folder;   ///< Absolute; empty when there is no unified hierarchy.
  bool is_own = false;  ///< This process is in it, and must leave it to share it out.
  bool is_root = false; ///< The root of the hierarchy may hold processes all the same.
  bool memory = false;
  bool pids = false;
  bool cpu = false;
  bool kill = false;   ///< cgroup.kill, kernel 5.14.
  std::string finding; ///< What was seen, for a person.
};

/// Looks without changing anything. Automatic use asks for the memory controller and for write
/// access to the group that this process is in, which is what systemd's Delegate gives; a path of
/// the operator's choice is taken with whatever controllers it has. `proc` stands for /proc/self.
[[nodiscard]] cgroup_site find_cgroup(const cgroup_choice& choice,
                                      const std::string& proc = "/proc/self");

/// What a group is held to. Absent: nothing is written.
struct cgroup_limits {
  std::optional<std::uint64_t> memory_bytes; ///< memory.max, with group OOM, no swap.
  std::optional<std::uint64_t> pids;
  std::optional<std::uint32_t> cpu_weight;  ///< 1 to 10,000; 100 is usual.
  std::optional<std::uint32_t> cpu_percent; ///< cpu.max; 150 is a core and a half.
};

/// What the kernel counted in a group.
struct cgroup_reading {
  std::uint64_t peak_bytes = 0;
  std::uint64_t ooms = 0; ///< Its own limit was met; 0 with kills: one above it was.
  std::uint64_t oom_kills = 0;
  std::uint64_t pids_refused = 0;
};

// Pieces that tests look at.

/// The group that /proc/PID/cgroup names in the unified hierarchy, e.g. "/user.slice".
[[nodiscard]] std::optional<std::string> own_cgroup(std::string_view proc_cgroup);
/// Where /proc/PID/mountinfo says that a cgroup2 file system is mounted as a whole.
[[nodiscard]] std::optional<std::string> cgroup2_mount(std::string_view mountinfo);
/// A number of a file of lines "name number", such as memory.events.
[[nodiscard]] std::optional<std::uint64_t> event_of(std::string_view text, std::string_view name);
/// memory.max of a session: what it may take in memory and in files, and what the kernel needs to
/// keep books for it. The limit within it is met first, and raises an exception instead of killing.
[[nodiscard]] std::uint64_t group_memory(std::uint64_t memory_bytes, std::uint64_t workspace_bytes);

} // namespace vivarium::sandbox
