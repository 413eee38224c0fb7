// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace vivarium {

/// What the kernel says about this process. A figure that cannot be read is 0.
struct process_stats {
  std::uint64_t resident_bytes = 0;
  std::uint64_t virtual_bytes = 0;
  std::uint64_t open_fds = 0;
  std::uint64_t max_fds = 0;
  double cpu_seconds = 0;
  double start_time = 0; ///< Seconds since the epoch.
};

[[nodiscard]] process_stats read_process_stats();

} // namespace vivarium
