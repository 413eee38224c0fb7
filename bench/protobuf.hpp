// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/net.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace bench {

// Just enough of protobuf's wire format for a client that costs next to nothing: what is measured
// is the daemon, and a generated client would take its share of the core.

inline void put_varint(std::string& to, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7)
    to.push_back(static_cast<char>(value | 0x80));
  to.push_back(static_cast<char>(value));
}

inline void put_number(std::string& to, unsigned field, std::uint64_t value) {
  put_varint(to, field << 3);
  put_varint(to, value);
}

inline void put_bytes(std::string& to, unsigned field, std::string_view bytes) {
  put_varint(to, field << 3 | 2);
  put_varint(to, bytes.size());
  to.append(bytes);
}

/// Walks the fields of one message. Answers come from a daemon that is trusted here: a field that
/// does not parse ends the program.
class field_reader {
public:
  explicit field_reader(std::string_view message) : rest_{message} {}

  /// Moves to the next field; false at the end.
  bool next() {
    if (rest_.empty())
      return false;
    auto key = varint();
    field_ = static_cast<unsigned>(key >> 3);
    switch (key & 7) {
      case 0: number_ = varint(); break;
      case 1: bytes_ = take(8); break;
      case 2: bytes_ = take(varint()); break;
      case 5: bytes_ = take(4); break;
      default: die("an answer is not protobuf");
    }
    return true;
  }

  [[nodiscard]] unsigned field() const { return field_; }
  [[nodiscard]] std::uint64_t number() const { return number_; }
  [[nodiscard]] std::string_view bytes() const { return bytes_; }

private:
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (rest_.empty())
        break;
      auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80)
        return value;
    }
    die("an answer is not protobuf");
  }

  std::string_view take(std::uint64_t n) {
    if (n > rest_.size())
      die("an answer is not protobuf");
    auto bytes = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return bytes;
  }

  std::string_view rest_;
  unsigned field_ = 0;
  std::uint64_t number_ = 0;
  std::string_view bytes_;
};

/// The bytes of the first field of that number; empty when there is none.
inline std::string_view field_bytes(std::string_view message, unsigned field) {
  for (field_reader fields{message}; fields.next();)
    if (fields.field() == field)
      return fields.bytes();
  return {};
}

} // namespace bench
