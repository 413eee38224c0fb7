// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace vivarium::bridge {

/// One field of an encoded message. `content` points into the message.
struct wire_field {
  std::uint32_t number = 0;
  std::uint32_t type = 0;   ///< Wire type: 0 varint, 1 eight bytes, 2 with a length.
  std::uint64_t bits = 0;   ///< Of the former two.
  std::string_view content; ///< Of the latter.

  static constexpr std::uint32_t varint = 0, fixed64 = 1, bytes = 2;
};

/// Reads the fields of an encoded message, one after the other: `while (reader.next(field))`. Never
/// reads beyond its end, whatever is in it.
class wire_reader {
public:
  explicit wire_reader(std::string_view encoded) noexcept
      : at_{encoded.data()}, end_{encoded.data() + encoded.size()} {}

  /// False: at the end, or `failed`.
  bool next(wire_field& field) noexcept {
    if (at_ == end_)
      return false;
    std::uint64_t tag = 0;
    ok_ = read_varint(tag) && tag >> 3 != 0 && tag >> 32 == 0;
    field.number = static_cast<std::uint32_t>(tag >> 3);
    field.type = static_cast<std::uint32_t>(tag & 7);
    ok_ = ok_ && read_content(field);
    return ok_;
  }
  /// Whether the message is malformed where `next` stopped.
  [[nodiscard]] bool failed() const noexcept { return !ok_; }

private:
  bool read_varint(std::uint64_t& value) noexcept {
    value = 0;
    for (int shift = 0; at_ != end_ && shift < 64; shift += 7) {
      auto byte = static_cast<unsigned char>(*at_++);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80)
        return shift < 63 || byte <= 1;
    }
    return false;
  }

  bool read_content(wire_field& field) noexcept {
    if (field.type == wire_field::varint)
      return read_varint(field.bits);
    if (field.type == wire_field::fixed64) {
      if (end_ - at_ < 8)
        return false;
      std::memcpy(&field.bits, at_, 8); // Little endian, as every machine that we run on.
      at_ += 8;
      return true;
    }
    std::uint64_t size = 0;
    if (field.type != wire_field::bytes || !read_varint(size)
        || size > static_cast<std::uint64_t>(end_ - at_))
      return false;
    field.content = {at_, static_cast<std::size_t>(size)};
    at_ += size;
    return true;
  }

  const char* at_;
  const char* end_;
  bool ok_ = true;
};

/// Reads packed varints: calls `take(number)` for each, which may refuse. False: one is cut off, or
/// refused.
template <class Take>
bool each_packed(std::string_view packed, Take take) {
  std::uint64_t value = 0;
  int shift = 0;
  for (char c : packed) {
    auto byte = static_cast<unsigned char>(c);
    if (shift == 63 && byte > 1)
      return false;
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    shift += 7;
    if (byte < 0x80) {
      if (!take(value))
        return false;
      value = 0;
      shift = 0;
    }
  }
  return shift == 0;
}

inline std::int64_t unzigzag(std::uint64_t bits) noexcept {
  return static_cast<std::int64_t>(bits >> 1 ^ (~(bits & 1) + 1));
}

} // namespace vivarium::bridge
