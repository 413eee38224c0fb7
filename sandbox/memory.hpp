// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include <sys/types.h>

namespace vivarium::sandbox {

// What the kernel says of a worker's use, read from outside and without its help. Each call opens a
// file of /proc once and costs 10 to 20 us; any thread.

/// Memory of a process, bytes.
struct memory_reading {
  std::uint64_t resident = 0;    ///< Mapped pages of any kind, shared ones too.
  std::uint64_t peak = 0;        ///< The most that `resident` ever was.
  std::uint64_t files = 0;       ///< Of them those of files on disk, which cost nobody anything.
  std::uint64_t page_tables = 0; ///< A sparse mapping makes these grow instead.
  std::uint32_t threads = 0;

  /// What it takes, by the measure of its limit.
  [[nodiscard]] std::uint64_t taken() const noexcept { return resident - files + page_tables; }
};

/// Nothing: the process is gone.
std::optional<memory_reading> read_memory(pid_t host_pid);

/// What it takes where it shares pages with others: of each page its part. Walks its page tables,
/// some milliseconds where it is large, and waits while the process changes them: not for the
/// reactor's thread.
std::optional<std::uint64_t> shared_out_memory_of(pid_t host_pid);

/// What the files of a worker take.
struct disk_reading {
  std::uint64_t bytes = 0;
  std::uint64_t free_bytes = 0;
  std::uint64_t inodes = 0;
  std::uint64_t free_inodes = 0;
};
std::optional<disk_reading> read_disk(pid_t host_pid);

/// How many descriptors it has open whose numbers are below `below`, which is what its limit
/// counts.
std::optional<std::uint32_t> count_descriptors(pid_t host_pid, std::uint32_t below);

/// Memory of the machine.
struct machine_memory {
  std::uint64_t total = 0;
  std::uint64_t available = 0;
  double stalled = 0; ///< Percent of the last ten seconds in which all work waited for memory.
};
std::optional<machine_memory> read_machine_memory();

} // namespace vivarium::sandbox
