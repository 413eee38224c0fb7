// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/printable.hpp"

#include <array>
#include <cstdint>
#include <cstdio>

namespace vivarium::cli {

namespace {

bool continues(char c) noexcept {
  return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

/// Reads the character at the front; its length is 0 when there is none of UTF-8.
struct character {
  std::size_t length = 0;
  std::uint32_t code = 0;
};

character read(std::string_view text) noexcept {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80)
    return {1, first};
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
  if (length == 0 || first > 0xf4 || text.size() < length)
    return {};
  std::uint32_t code = first & (0x7fU >> length);
  for (std::size_t n = 1; n < length; ++n) {
    if (!continues(text[n]))
      return {};
    code = code << 6 | (static_cast<unsigned char>(text[n]) & 0x3fU);
  }
  static constexpr std::array<std::uint32_t, 5> least{0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  return code < least[length] || code > 0x10ffff || surrogate ? character{}
                                                              : character{length, code};
}

/// Whether it does something else than being seen.
bool acts(std::uint32_t code) noexcept {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0xad || code == 0x61c
         || (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e)
         || (code >= 0x2060 && code <= 0x206f) || code == 0xfeff
         || (code >= 0xfff9 && code <= 0xfffb) || (code >= 0xe0000 && code <= 0xe0fff);
}

void append_code(std::string& out, const char* form, std::uint32_t code) {
  std::array<char, 16> text{};
  const auto n = std::snprintf(text.data(), text.size(), form, code);
  out.append(text.data(), static_cast<std::size_t>(n));
}

} // namespace

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto next = read(text);
    if (next.length == 0)
      append_code(out, "\\x%02x", static_cast<unsigned char>(text[0]));
    else if (acts(next.code))
      append_code(out, next.code < 0x100 ? "\\x%02x" : "\\u{%x}", next.code);
    else
      out += text.substr(0, next.length);
    text.remove_prefix(next.length == 0 ? 1 : next.length);
  }
  return out;
}

std::size_t width_of(std::string_view text) noexcept {
  std::size_t n = 0;
  for (const char c : text)
    n += continues(c) ? 0 : 1;
  return n;
}

std::string_view cut_to(std::string_view text, std::size_t width) noexcept {
  std::size_t at = 0;
  for (; at < text.size(); ++at)
    if (!continues(text[at]) && width-- == 0)
      break;
  return text.substr(0, at);
}

} // namespace vivarium::cli
