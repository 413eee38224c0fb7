// SPDX-License-Identifier: Apache-2.0
#include "daemon/units.hpp"

#include <array>
#include <charconv>
#include <limits>

namespace vivarium {

namespace {

struct quantity {
  std::uint64_t number = 0;
  std::string_view unit;
};

std::optional<quantity> split(std::string_view text) noexcept {
  quantity out;
  auto [stop, why] = std::from_chars(text.data(), text.data() + text.size(), out.number);
  if (why != std::errc{})
    return std::nullopt;
  out.unit = text.substr(static_cast<std::size_t>(stop - text.data()));
  return out;
}

std::optional<std::uint64_t> scaled(std::uint64_t number, std::uint64_t by) noexcept {
  if (number > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) / by)
    return std::nullopt;
  return number * by;
}

struct unit {
  std::uint64_t size;
  const char* name;
};

/// In the greatest unit that the value is a multiple of; the last of them is 1.
template <std::size_t N>
std::string show(std::uint64_t value, const std::array<unit, N>& units) {
  for (const auto& one : units)
    if (value % one.size == 0 && (value > 0 || one.size == 1))
      return std::to_string(value / one.size) + one.name;
  return {};
}

} // namespace

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) noexcept {
  auto parts = split(text);
  if (!parts)
    return std::nullopt;
  std::uint64_t by = parts->unit == "ms"  ? 1
                     : parts->unit == "s" ? 1'000
                     : parts->unit == "m" ? 60'000
                     : parts->unit == "h" ? 3'600'000
                     : parts->unit == "d" ? 86'400'000
                                          : 0;
  if (by == 0)
    return std::nullopt;
  auto value = scaled(parts->number, by);
  if (!value)
    return std::nullopt;
  return std::chrono::milliseconds{*value};
}

std::optional<std::uint64_t> parse_size(std::string_view text) noexcept {
  auto parts = split(text);
  if (!parts)
    return std::nullopt;
  std::uint64_t by = parts->unit == "B"     ? 1
                     : parts->unit == "KiB" ? 1ull << 10
                     : parts->unit == "MiB" ? 1ull << 20
                     : parts->unit == "GiB" ? 1ull << 30
                                            : 0;
  return by == 0 ? std::nullopt : scaled(parts->number, by);
}

std::string show_duration(std::chrono::milliseconds value) {
  constexpr std::array<unit, 5> units{
      {{86'400'000, "d"}, {3'600'000, "h"}, {60'000, "m"}, {1'000, "s"}, {1, "ms"}}};
  return show(static_cast<std::uint64_t>(value.count()), units);
}

std::string show_size(std::uint64_t bytes) {
  constexpr std::array<unit, 4> units{
      {{1ull << 30, "GiB"}, {1ull << 20, "MiB"}, {1ull << 10, "KiB"}, {1, "B"}}};
  return show(bytes, units);
}

} // namespace vivarium
