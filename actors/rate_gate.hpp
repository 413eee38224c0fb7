// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace vivarium {

/// Decides how much of something may happen in a time. Plain arithmetic on a clock that is passed
/// in; its owner asks it. Not thread-safe, and needs no timer: it remembers only when it will be
/// full again.
class rate_gate {
public:
  using clock = std::chrono::steady_clock;

  /// Allows `per_second` on average and `burst` at once, both at least 1 and at most 1,000,000.
  constexpr rate_gate(std::size_t per_second, std::size_t burst) noexcept
      : per_second_{std::clamp<std::size_t>(per_second, 1, most)}, burst_{std::clamp<std::size_t>(
                                                                       burst, 1, most)} {}

  /// Takes `count` places if they are free; false when they are not. More than the burst are
  /// granted when all of it is free, and paid for by a longer wait afterwards.
  [[nodiscard]] constexpr bool enter(clock::time_point now, std::size_t count = 1) noexcept {
    if (free(now) < std::min(count, burst_))
      return false;
    full_at_ = std::max(full_at_, now) + interval(count);
    return true;
  }

  /// Returns the places that are free at `now`.
  [[nodiscard]] constexpr std::size_t free(clock::time_point now) const noexcept {
    if (full_at_ <= now)
      return burst_;
    // A place that has come back in part is not there yet.
    const auto taken = (full_at_ - now + interval(1) - clock::duration{1}) / interval(1);
    return burst_ - std::min(burst_, static_cast<std::size_t>(taken));
  }

  /// Returns how long it takes from `now` until `count` places are free.
  [[nodiscard]] constexpr clock::duration wait(clock::time_point now,
                                               std::size_t count = 1) const noexcept {
    const auto may_be_taken = interval(burst_ - std::min(count, burst_));
    return std::max(full_at_ - now - may_be_taken, clock::duration::zero());
  }

private:
  static constexpr std::size_t most = 1'000'000;
  [[nodiscard]] constexpr clock::duration interval(std::size_t count) const noexcept {
    return clock::duration{std::chrono::seconds{1}} / static_cast<std::int64_t>(per_second_)
           * static_cast<std::int64_t>(count);
  }

  std::size_t per_second_;
  std::size_t burst_;
  clock::time_point full_at_{};
};

} // namespace vivarium
