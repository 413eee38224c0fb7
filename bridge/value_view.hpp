// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

namespace vivarium::bridge {

/// The kinds of a vivarium.v1.Value, by field number.
enum class value_kind : std::uint32_t {
  none = 1,
  boolean,
  integer,
  big_integer,
  real,
  text,
  blob,
  list,
  tuple,
  dict,
  set,
  frozenset,
  bytearray,
  complex,
  datetime,
  date,
  time,
  timedelta,
  decimal,
  uuid,
  symbol,
  term,
  array,
  construct = 25,
  ref = 26,
  function,
  opaque = 30,
};

/// One encoded vivarium.v1.Value, opened. Only for what `validate_value` has accepted; views point
/// into what was opened.
struct value_view {
  value_kind kind = value_kind::none;
  std::uint64_t bits = 0;   ///< Of a boolean, of an integer (sign extended), of a real.
  std::string_view content; ///< Of the others: bytes, text, or the encoded message.

  static value_view open(std::string_view encoded);
};

/// One entry of a dict.
struct entry_view {
  std::string_view key, value;
};

/// Walks fields with a length in an encoded message, one after the other: `while (auto item = …)`.
class field_walk {
public:
  explicit field_walk(std::string_view encoded) noexcept : rest_{encoded} {}
  /// Moves on to the next field; false at the end.
  bool next();
  [[nodiscard]] std::uint32_t number() const noexcept { return number_; }
  [[nodiscard]] std::string_view content() const noexcept { return content_; }

private:
  std::string_view rest_;
  std::uint32_t number_ = 0;
  std::string_view content_;
};

entry_view open_entry(std::string_view encoded);
/// The `repr` of an encoded Opaque.
std::string_view repr_of_opaque(std::string_view encoded);

} // namespace vivarium::bridge
