// SPDX-License-Identifier: Apache-2.0
#include <vivarium/convert.hpp>

namespace vivarium {
inline namespace client_v1 {
namespace detail {

namespace {

using namespace std::chrono;
using std::chrono::microseconds;

constexpr std::int64_t us_per_second = 1'000'000;
constexpr std::int64_t us_per_day = 86'400 * us_per_second;

/// Days and microseconds as one number, unless it is too large.
std::optional<microseconds> joined(std::int64_t days, std::int64_t us) noexcept {
  std::int64_t out = 0;
  if (__builtin_mul_overflow(days, us_per_day, &out) || __builtin_add_overflow(out, us, &out))
    return std::nullopt;
  return microseconds{out};
}

} // namespace

std::optional<microseconds> microseconds_of(const timedelta& from) noexcept {
  return joined(from.days, from.seconds * us_per_second + from.microseconds);
}

std::optional<microseconds> microseconds_of(const datetime& from) noexcept {
  const auto& time = from.time;
  if (!time.zone || !time.zone->offset)
    return std::nullopt;
  const year_month_day day{year{static_cast<int>(from.date.year)}, month{from.date.month},
                           std::chrono::day{from.date.day}};
  const auto us = (time.hour * 3'600LL + time.minute * 60LL + time.second) * us_per_second
                  + time.microsecond - time.zone->offset->count();
  return joined(sys_days{day}.time_since_epoch().count(), us);
}

timedelta timedelta_of(microseconds from) noexcept {
  const auto whole = floor<days>(from);
  const auto rest = (from - whole).count();
  return {whole.count(), static_cast<std::uint32_t>(rest / us_per_second),
          static_cast<std::uint32_t>(rest % us_per_second)};
}

datetime datetime_of(microseconds since_1970) {
  const auto whole = floor<days>(since_1970);
  const auto rest = (since_1970 - whole).count();
  const year_month_day day{sys_days{whole}};
  // Checked by days: the year itself is a short and may have wrapped.
  static constexpr sys_days first{year{1} / 1 / 1};
  static constexpr sys_days last{year{9999} / 12 / 31};
  if (sys_days{whole} < first || sys_days{whole} > last)
    throw conversion_error{"std::chrono::time_point", "datetime.datetime",
                           "not in the years 1 to 9999"};
  datetime out;
  out.date = {static_cast<std::uint32_t>(static_cast<int>(day.year())),
              static_cast<unsigned>(day.month()), static_cast<unsigned>(day.day())};
  out.time.hour = static_cast<std::uint32_t>(rest / (3'600 * us_per_second));
  out.time.minute = static_cast<std::uint32_t>(rest / (60 * us_per_second) % 60);
  out.time.second = static_cast<std::uint32_t>(rest / us_per_second % 60);
  out.time.microsecond = static_cast<std::uint32_t>(rest % us_per_second);
  out.time.zone = zone{microseconds{0}, {}};
  return out;
}

} // namespace detail
} // namespace client_v1
} // namespace vivarium
