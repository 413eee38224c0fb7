// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>

namespace vivarium {

/// What two clocks show at one moment.
struct clock_reading {
  std::chrono::nanoseconds wall{0}; ///< Since the epoch; can be set.
  std::chrono::nanoseconds since{
      0}; ///< Since the start of the machine, with the time that it slept.
};
[[nodiscard]] clock_reading read_clocks() noexcept;

/// Notices that somebody has set the wall clock. Nothing that has a deadline goes by that clock;
/// what has a date does (keys, certificates, values with a lifetime), and whoever reads the log
/// shall know why its times jump.
class clock_watch {
public:
  /// Less than this between two looks is what a good clock is corrected by.
  static constexpr std::chrono::seconds tolerance{10};

  explicit clock_watch(clock_reading first) noexcept : offset_{first.wall - first.since} {}

  /// Returns how far the clock was set since the last look: forward, or back when it is negative.
  [[nodiscard]] std::optional<std::chrono::seconds> look(clock_reading now) noexcept;

private:
  std::chrono::nanoseconds offset_;
};

} // namespace vivarium
