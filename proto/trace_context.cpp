// SPDX-License-Identifier: Apache-2.0
#include "proto/trace_context.hpp"

#include "proto/ids.hpp"

#include <algorithm>

namespace vivarium {

namespace {

constexpr std::size_t first_version_size = 55;
constexpr std::uint8_t sampled_bit = 1;

// -1: not one. Upper case is not, says the specification.
constexpr int digit_of(char c) noexcept {
  return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

template <std::size_t N>
bool read_hex(std::string_view text, std::array<std::uint8_t, N>& into) noexcept {
  for (std::size_t i = 0; i < N; ++i) {
    auto high = digit_of(text[2 * i]);
    auto low = digit_of(text[2 * i + 1]);
    if (high < 0 || low < 0)
      return false;
    into[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return true;
}

} // namespace

std::optional<trace_context> parse_traceparent(std::string_view text) noexcept {
  if (text.size() < first_version_size || text[2] != '-' || text[35] != '-' || text[52] != '-')
    return std::nullopt;
  std::array<std::uint8_t, 1> version{};
  std::array<std::uint8_t, 1> flags{};
  trace_context out;
  if (!read_hex(text.substr(0, 2), version) || !read_hex(text.substr(3, 32), out.trace)
      || !read_hex(text.substr(36, 16), out.span) || !read_hex(text.substr(53, 2), flags))
    return std::nullopt;
  bool longer = text.size() > first_version_size;
  if (version[0] == 0xff || (longer && (version[0] == 0 || text[first_version_size] != '-')))
    return std::nullopt;
  if (!out.known() || out.span == span_id{})
    return std::nullopt;
  out.sampled = (flags[0] & sampled_bit) != 0;
  return out;
}

void append_hex(std::string& out, const std::uint8_t* bytes, std::size_t count) {
  static constexpr std::string_view digits = "0123456789abcdef";
  for (std::size_t i = 0; i < count; ++i) {
    out += digits[bytes[i] >> 4];
    out += digits[bytes[i] & 15];
  }
}

std::string traceparent_of(const trace_context& what) {
  std::string out;
  if (!what.known())
    return out;
  out.reserve(first_version_size);
  out += "00-";
  append_hex(out, what.trace.data(), what.trace.size());
  out += '-';
  append_hex(out, what.span.data(), what.span.size());
  out += what.sampled ? "-01" : "-00";
  return out;
}

trace_id new_trace_id() {
  auto out = random_bytes();
  out[0] = static_cast<std::uint8_t>(out[0] | (out == trace_id{} ? 1 : 0));
  return out;
}

span_id new_span_id() {
  auto bytes = random_bytes();
  span_id out{};
  std::copy_n(bytes.begin(), out.size(), out.begin());
  out[0] = static_cast<std::uint8_t>(out[0] | (out == span_id{} ? 1 : 0));
  return out;
}

trace_place trace_place::child() const {
  auto out = *this;
  if (!recorded)
    return out;
  out.parent = self.span;
  out.self.span = new_span_id();
  return out;
}

trace_place trace_place::sibling() const {
  auto out = *this;
  if (recorded)
    out.self.span = new_span_id();
  return out;
}

} // namespace vivarium
