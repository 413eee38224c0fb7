// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bridge/validate.hpp"
#include "proto/result.hpp"

#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>

#include <cstdint>
#include <string>
#include <string_view>

// What the files of wire_*.cpp share: pieces of the protobuf encoding.
namespace vivarium::wire {

constexpr std::size_t varint_size(std::uint64_t value) noexcept {
  std::size_t n = 1;
  while (value >= 0x80) {
    value >>= 7;
    ++n;
  }
  return n;
}

/// Size of a length-delimited field whose number is below 16.
constexpr std::size_t field_size(std::size_t length) noexcept {
  return 1 + varint_size(length) + length;
}

inline void append_varint(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out += static_cast<char>(value | 0x80);
    value >>= 7;
  }
  out += static_cast<char>(value);
}

/// Appends tag and length of a length-delimited field; its `length` bytes are to follow.
inline void append_head(std::string& out, std::uint32_t field, std::size_t length) {
  append_varint(out, field << 3 | 2);
  append_varint(out, length);
}

inline void append_bytes(std::string& out, std::uint32_t field, std::string_view bytes) {
  append_head(out, field, bytes.size());
  out += bytes;
}

/// Appends a varint field unless it has the default value.
inline void append_number(std::string& out, std::uint32_t field, std::uint64_t value) {
  if (value == 0)
    return;
  append_varint(out, field << 3);
  append_varint(out, value);
}

inline void append_text(std::string& out, std::uint32_t field, std::string_view text) {
  if (!text.empty())
    append_bytes(out, field, text);
}

/// The same of text that programs have said, which may be no UTF-8, or cut within a character.
inline void append_told(std::string& out, std::uint32_t field, std::string_view text) {
  std::string clean;
  bridge::append_utf8_lossy(clean, text);
  append_text(out, field, clean);
}

constexpr std::uint32_t text_field(std::uint32_t number) noexcept {
  return number << 3 | 2;
}
constexpr std::uint32_t number_field(std::uint32_t number) noexcept {
  return number << 3;
}

/// The tag and wire type of the reader's present field, to be compared with `text_field(n)` and
/// `number_field(n)`; a known number with another wire type counts as unknown, as in libprotobuf.
inline std::uint32_t field_of(const protozero::pbf_reader& reader) noexcept {
  return static_cast<std::uint32_t>(reader.tag()) << 3
         | static_cast<std::uint32_t>(reader.wire_type());
}

inline std::string_view view_of(protozero::pbf_reader& reader) {
  auto v = reader.get_view();
  return {v.data(), v.size()};
}

/// Calls `each(reader)` for every field. What is not protobuf, and what `each` refuses, is
/// `invalid_argument`.
template <class Each>
status read_fields(std::string_view bytes, Each each) {
  try {
    protozero::pbf_reader reader{bytes.data(), bytes.size()};
    while (reader.next()) {
      if (auto ok = each(reader); !ok)
        return ok;
    }
  } catch (const protozero::exception& e) {
    return error{errc::invalid_argument,
                 std::string{"the message is not valid protobuf: "} + e.what()};
  }
  return done{};
}

} // namespace vivarium::wire
