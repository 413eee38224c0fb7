// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <protozero/pbf_writer.hpp>

#include <bit>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace vivarium::bridge::testing {

// Encoded vivarium.v1.Values, by protozero's own writer.

template <class Fill>
std::string message(Fill fill) {
  std::string out;
  protozero::pbf_writer writer{out};
  fill(writer);
  return out;
}

inline std::string none() {
  return message([](auto& w) { w.add_message(1, std::string{}); });
}
inline std::string boolean(bool v) {
  return message([&](auto& w) { w.add_bool(2, v); });
}
inline std::string integer(std::int64_t v) {
  return message([&](auto& w) { w.add_sint64(3, v); });
}
inline std::string big(std::string_view bytes) {
  return message([&](auto& w) { w.add_bytes(4, bytes.data(), bytes.size()); });
}
inline std::string real(double v) {
  return message([&](auto& w) { w.add_double(5, v); });
}
inline std::string text(std::string_view v) {
  return message([&](auto& w) { w.add_string(6, v.data(), v.size()); });
}
inline std::string blob(std::string_view v) {
  return message([&](auto& w) { w.add_bytes(7, v.data(), v.size()); });
}
/// A list (8), tuple (9) or set (11).
inline std::string sequence(std::uint32_t field, std::initializer_list<std::string> items) {
  auto inner = message([&](auto& w) {
    for (const auto& item : items)
      w.add_message(1, item);
  });
  return message([&](auto& w) { w.add_message(field, inner); });
}
struct pair {
  std::string key, value;
};
inline std::string dict(std::initializer_list<pair> entries) {
  auto inner = message([&](auto& w) {
    for (const auto& entry : entries) {
      auto one = message([&](auto& e) {
        e.add_message(1, entry.key);
        e.add_message(2, entry.value);
      });
      w.add_message(1, one);
    }
  });
  return message([&](auto& w) { w.add_message(10, inner); });
}
inline std::string opaque(std::string_view type, std::string_view repr) {
  auto inner = message([&](auto& w) {
    w.add_string(1, type.data(), type.size());
    w.add_string(2, repr.data(), repr.size());
  });
  return message([&](auto& w) { w.add_message(30, inner); });
}
inline std::string complex(double re, double im) {
  auto inner = message([&](auto& w) {
    w.add_double(1, re);
    w.add_double(2, im);
  });
  return message([&](auto& w) { w.add_message(14, inner); });
}
/// The field of a message that is a message, in the message that is the value.
inline std::string wrapped(std::uint32_t field, const std::string& inner) {
  return message([&](auto& w) { w.add_message(field, inner); });
}
/// A message of varints, from field 1 on; zeros are left out.
inline std::string numbers(std::initializer_list<std::uint64_t> values) {
  return message([&](auto& w) {
    std::uint32_t field = 0;
    for (auto value : values)
      if (++field; value != 0)
        w.add_uint64(field, value);
  });
}
inline std::string zone(std::int64_t offset_us, std::string_view name) {
  return message([&](auto& w) {
    w.add_sint64(1, offset_us);
    if (!name.empty())
      w.add_string(2, name.data(), name.size());
  });
}
inline std::string datetime(const std::string& date, const std::string& time) {
  return wrapped(15, wrapped(1, date) + wrapped(2, time));
}
inline std::string timedelta(std::int64_t days, std::uint32_t seconds, std::uint32_t microseconds) {
  auto inner = message([&](auto& w) {
    w.add_sint64(1, days);
    w.add_uint32(2, seconds);
    w.add_uint32(3, microseconds);
  });
  return wrapped(18, inner);
}
inline std::string array(std::string_view dtype, std::initializer_list<std::uint64_t> shape,
                         std::string_view data) {
  auto inner = message([&](auto& w) {
    w.add_string(1, dtype.data(), dtype.size());
    w.add_packed_uint64(2, shape.begin(), shape.end());
    w.add_bytes(3, data.data(), data.size());
  });
  return wrapped(23, inner);
}
/// Of a string kind: decimal (19), uuid (20), symbol (21), bytearray (13).
inline std::string bytes_of(std::uint32_t field, std::string_view v) {
  return message([&](auto& w) { w.add_bytes(field, v.data(), v.size()); });
}
inline std::string term(std::string_view type, std::string_view data) {
  return wrapped(22, bytes_of(1, type) + bytes_of(2, data));
}
inline std::string ref(std::string_view id, std::string_view type, std::string_view repr) {
  return wrapped(26, bytes_of(1, id) + bytes_of(2, type) + bytes_of(3, repr));
}

} // namespace vivarium::bridge::testing
