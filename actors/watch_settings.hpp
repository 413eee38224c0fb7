// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace vivarium {

/// How the daemon looks at its workers.
struct watch_settings {
  std::chrono::milliseconds interval{250}; ///< Between two looks at a busy worker.
  /// An idle worker is looked at once in so many intervals: a thread that it left behind can take
  /// memory as well.
  std::size_t idle_every = 16;
  /// Workers that are looked at in one interval at most, 15 us each: no more than 2 % of a core,
  /// however many there are. With more busy ones than that each is looked at less often.
  std::size_t looks = 256;
  /// The machine shall keep so much memory available; absent: 256 MiB, or a sixteenth where that is
  /// less.
  std::optional<std::uint64_t> reserve = {};
  /// With less than four times the reserve, the part of the time in percent in which everything
  /// waits for memory, above which the machine counts as full.
  double stalled = 20;
};

} // namespace vivarium
