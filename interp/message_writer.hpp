// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bridge/raw_memory.hpp"

#include <protozero/buffer_string.hpp>
#include <protozero/varint.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace vivarium::interp {

// Writing protobuf straight into a buffer, where the length of a message is known only at its end.
// protozero's own writer reserves five bytes for it and moves every message, small ones as well.

/// Appends a field with a varint.
inline void put_varint(std::string& out, std::uint32_t field, std::uint64_t value) {
  protozero::add_varint_to_buffer(&out, field << 3);
  protozero::add_varint_to_buffer(&out, value);
}

/// Appends a field with bytes or text.
inline void put_bytes(std::string& out, std::uint32_t field, std::string_view bytes) {
  bridge::make_room(out, bytes.size());
  protozero::add_varint_to_buffer(&out, field << 3 | 2);
  protozero::add_varint_to_buffer(&out, bytes.size());
  out.append(bytes);
}

/// Appends a field with eight bytes.
inline void put_fixed64(std::string& out, std::uint32_t field, std::uint64_t bits) {
  out += static_cast<char>(field << 3 | 1);
  for (int i = 0; i < 8; ++i)
    out += static_cast<char>(bits >> (8 * i) & 0xff);
}

/// Begins a message in `field`; returns what `end_message` needs.
inline std::size_t begin_message(std::string& out, std::uint32_t field) {
  protozero::add_varint_to_buffer(&out, field << 3 | 2);
  out += '\0';
  return out.size();
}

/// Completes the message begun at `start`. One under 128 bytes is not moved.
inline void end_message(std::string& out, std::size_t start) {
  auto size = out.size() - start;
  if (size < 0x80) {
    out[start - 1] = static_cast<char>(size);
    return;
  }
  char length[10];
  auto n = protozero::add_varint_to_buffer(length, size);
  out.replace(start - 1, 1, length, static_cast<std::size_t>(n));
}

} // namespace vivarium::interp
