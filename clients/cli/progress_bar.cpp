// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/progress_bar.hpp"

#include "clients/cli/show.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace vivarium::cli {

namespace {

constexpr int width = 30;
// With the bar before it, it fits 80 columns.
constexpr std::size_t most_text = 36;
constexpr const char* to_begin_of_line = "\r\x1b[K";

std::string number(double of) {
  std::array<char, 32> text{};
  (void)std::snprintf(text.data(), text.size(), "%.10g", of);
  return text.data();
}

/// The code that runs chooses the text: it must not move the cursor, nor write a second line.
std::string plain(const std::string& text) {
  std::string out;
  std::size_t characters = 0;
  for (const char each : text) {
    const auto byte = static_cast<unsigned char>(each);
    if ((byte & 0xc0U) != 0x80U && ++characters > most_text)
      break;
    // Of two bytes, C2 80 to C2 9F are controls as well.
    const bool control =
        byte < 0x20 || byte == 0x7f
        || (byte < 0xa0 && !out.empty() && static_cast<unsigned char>(out.back()) == 0xc2U);
    if (control && byte >= 0x80)
      out.pop_back();
    out += control ? '?' : each;
  }
  return out;
}

} // namespace

std::string progress_line(const event::progress& what) {
  auto text = plain(what.text);
  if (!(what.total > 0) || !std::isfinite(what.total) || !std::isfinite(what.done))
    return number(what.done) + (text.empty() ? "" : " " + text);
  const auto part = std::clamp(what.done / what.total, 0.0, 1.0);
  const auto filled = static_cast<std::size_t>(part * width);
  std::array<char, 8> percent{};
  (void)std::snprintf(percent.data(), percent.size(), "%3d%%", static_cast<int>(part * 100));
  return "[" + std::string(filled, '#') + std::string(width - filled, '.') + "] " + percent.data()
         + (text.empty() ? "" : " " + text);
}

void progress_bar::show(const event::progress& what) {
  if (!on_terminal_)
    return;
  write_err(to_begin_of_line + progress_line(what));
  shown_ = true;
}

void progress_bar::clear() {
  if (std::exchange(shown_, false))
    write_err(to_begin_of_line);
}

} // namespace vivarium::cli
