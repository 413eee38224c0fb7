// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/duration.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <utility>

namespace vivarium::cli {

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, double>, 4> units{
      {{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}}};
  static constexpr double week = 7 * 24 * 3'600'000.0;
  double number = 0;
  const auto* last = text.data() + text.size();
  auto [rest, failed] = std::from_chars(text.data(), last, number, std::chars_format::fixed);
  if (failed == std::errc{} && number >= 0) {
    std::string_view unit{rest, static_cast<std::size_t>(last - rest)};
    for (const auto& [name, factor] : units) {
      // An absurd number must not overflow on its way to the daemon, which has a limit of its own.
      if (unit == name && number * factor <= week)
        return std::chrono::milliseconds{std::llround(number * factor)};
    }
  }
  return std::nullopt;
}

} // namespace vivarium::cli
