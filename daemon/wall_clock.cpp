// SPDX-License-Identifier: Apache-2.0
#include "daemon/wall_clock.hpp"

#include <ctime>
#include <utility>

namespace vivarium {

namespace {

std::chrono::nanoseconds read(clockid_t which) noexcept {
  timespec now{};
  ::clock_gettime(which, &now);
  return std::chrono::seconds{now.tv_sec} + std::chrono::nanoseconds{now.tv_nsec};
}

} // namespace

clock_reading read_clocks() noexcept {
  return {read(CLOCK_REALTIME), read(CLOCK_BOOTTIME)};
}

std::optional<std::chrono::seconds> clock_watch::look(clock_reading now) noexcept {
  auto offset = now.wall - now.since;
  // Compared with the last look only, so that small corrections do not add up.
  auto by =
      std::chrono::duration_cast<std::chrono::seconds>(offset - std::exchange(offset_, offset));
  if (by > -tolerance && by < tolerance)
    return std::nullopt;
  return by;
}

} // namespace vivarium
