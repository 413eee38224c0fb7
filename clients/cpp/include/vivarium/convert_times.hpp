// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vivarium/convert.hpp>

// The conversions of durations and times.
namespace vivarium {
inline namespace client_v1 {

namespace detail {

/// Microseconds as a duration of the caller's; throws when it would be cut.
template <class Wanted, class Duration>
Duration exactly(const value& from, std::chrono::microseconds us) {
  if constexpr (std::chrono::treat_as_floating_point_v<typename Duration::rep>) {
    return std::chrono::duration_cast<Duration>(us);
  } else {
    using limits = std::chrono::duration<long double, typename Duration::period>;
    if (std::abs(limits{us}.count())
        > static_cast<long double>(std::numeric_limits<typename Duration::rep>::max()))
      mismatch<Wanted>(from, "out of range");
    const auto out = std::chrono::duration_cast<Duration>(us);
    if (std::chrono::duration_cast<std::chrono::microseconds>(out) != us)
      mismatch<Wanted>(from, "not exact");
    return out;
  }
}

} // namespace detail

template <class Rep, class Period>
struct converter<std::chrono::duration<Rep, Period>> {
  using type = std::chrono::duration<Rep, Period>;
  static value to(type from) {
    return detail::timedelta_of(std::chrono::floor<std::chrono::microseconds>(from));
  }
  static type from(const value& from) {
    const auto* found = from.get_if<timedelta>();
    if (found == nullptr)
      mismatch<type>(from);
    auto us = detail::microseconds_of(*found);
    if (!us)
      mismatch<type>(from, "out of range");
    return detail::exactly<type, type>(from, *us);
  }
};

template <class Duration>
struct converter<std::chrono::time_point<std::chrono::system_clock, Duration>> {
  using type = std::chrono::time_point<std::chrono::system_clock, Duration>;
  static value to(type from) {
    return detail::datetime_of(
        std::chrono::floor<std::chrono::microseconds>(from).time_since_epoch());
  }
  static type from(const value& from) {
    const auto* found = from.get_if<datetime>();
    if (found == nullptr)
      mismatch<type>(from);
    auto us = detail::microseconds_of(*found);
    if (!us)
      mismatch<type>(from, "it has no time zone");
    return type{detail::exactly<type, Duration>(from, *us)};
  }
};

} // namespace client_v1
} // namespace vivarium
