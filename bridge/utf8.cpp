// SPDX-License-Identifier: Apache-2.0
#include "bridge/utf8.hpp"

#include <cstdint>
#include <cstring>

namespace vivarium::bridge {

namespace {

constexpr std::uint64_t high_bits = 0x8080808080808080;

std::uint64_t load64(const unsigned char* at) noexcept {
  std::uint64_t word = 0;
  std::memcpy(&word, at, sizeof(word));
  return word;
}

const unsigned char* skip_ascii(const unsigned char* at, const unsigned char* end) noexcept {
  while (end - at >= 32
         && ((load64(at) | load64(at + 8) | load64(at + 16) | load64(at + 24)) & high_bits) == 0)
    at += 32;
  while (end - at >= 8 && (load64(at) & high_bits) == 0)
    at += 8;
  while (at != end && *at < 0x80)
    ++at;
  return at;
}

// Bytes of the character at `at`, which is not ASCII; 0 when it is not valid. The second byte has a
// range of its own after some lead bytes: that excludes overlong forms, surrogates, and what is
// beyond U+10FFFF.
std::size_t character(const unsigned char* at, const unsigned char* end) noexcept {
  auto lead = *at;
  std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || static_cast<std::size_t>(end - at) < size)
    return 0;
  unsigned char least = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  unsigned char most = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  if (at[1] < least || at[1] > most)
    return 0;
  for (std::size_t i = 2; i < size; ++i)
    if ((at[i] & 0xc0) != 0x80)
      return 0;
  return size;
}

} // namespace

std::size_t utf8_prefix(std::string_view text) noexcept {
  const auto* begin = reinterpret_cast<const unsigned char*>(text.data());
  const auto* end = begin + text.size();
  const auto* at = begin;
  while ((at = skip_ascii(at, end)) != end) {
    // Text that is not ASCII tends to go on so.
    while (at != end && *at >= 0x80) {
      auto size = character(at, end);
      if (size == 0)
        return static_cast<std::size_t>(at - begin);
      at += size;
    }
  }
  return text.size();
}

} // namespace vivarium::bridge
