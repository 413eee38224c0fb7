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

} // namespace vivarium::bridge::testing
