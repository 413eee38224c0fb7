// SPDX-License-Identifier: Apache-2.0
#include "bridge/python_text.hpp"

#include "bridge/typed_text.hpp"
#include "bridge/value_view.hpp"
#include "bridge/wire_reader.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

namespace vivarium::bridge {

namespace {

constexpr std::size_t decimal_bytes_at_most = 1786; // 4,300 digits.
constexpr char hex_digits[] = "0123456789abcdef";

// The absolute value as 32 bit limbs, least first. Whole limbs at a time: a number may have
// millions.
std::vector<std::uint32_t> magnitude(std::string_view bytes, bool negative) {
  std::vector<std::uint32_t> limbs(bytes.size() / 4 + 1, negative ? ~std::uint32_t{0} : 0);
  if (!bytes.empty())
    std::memcpy(limbs.data(), bytes.data(), bytes.size());
  if (negative) {
    std::uint32_t carry = 1;
    for (auto& limb : limbs) {
      limb = ~limb + carry;
      carry = carry != 0 && limb == 0 ? 1 : 0;
    }
  }
  while (limbs.size() > 1 && limbs.back() == 0)
    limbs.pop_back();
  return limbs;
}

void append_decimal(std::string& out, std::vector<std::uint32_t> limbs) {
  std::string reversed;
  while (!limbs.empty()) {
    std::uint64_t rest = 0;
    for (std::size_t i = limbs.size(); i-- > 0;) {
      auto part = rest << 32 | limbs[i];
      limbs[i] = static_cast<std::uint32_t>(part / 1'000'000'000);
      rest = part % 1'000'000'000;
    }
    while (!limbs.empty() && limbs.back() == 0)
      limbs.pop_back();
    for (int i = 0; i < 9 && (!limbs.empty() || rest != 0); ++i, rest /= 10)
      reversed += static_cast<char>('0' + rest % 10);
  }
  if (reversed.empty())
    reversed = "0";
  out.append(reversed.rbegin(), reversed.rend());
}

void append_hex(std::string& out, const std::vector<std::uint32_t>& limbs) {
  auto leading = static_cast<std::size_t>(std::countl_zero(limbs.back() | 1) / 4);
  out += "0x";
  auto at = out.size();
  out.resize(at + limbs.size() * 8 - leading);
  char* to = out.data() + out.size();
  const char* const first = out.data() + at;
  for (std::uint32_t limb : limbs)
    for (int i = 0; i < 8 && to != first; ++i, limb >>= 4)
      *--to = hex_digits[limb & 15];
}

void append_escaped(std::string& out, unsigned char byte) {
  switch (byte) {
    case '\n': out += "\\n"; break;
    case '\r': out += "\\r"; break;
    case '\t': out += "\\t"; break;
    case '\\': out += "\\\\"; break;
    default:
      out += "\\x";
      out += hex_digits[byte >> 4];
      out += hex_digits[byte & 15];
  }
}

// A text field of a message that also has others.
std::string_view text_field_of(std::string_view message, std::uint32_t number) {
  std::string_view text;
  wire_reader reader{message};
  for (wire_field field; reader.next(field);)
    if (field.number == number)
      text = field.content;
  return text;
}

enum class escape_above_ascii { no, yes };

void append_quoted(std::string& out, std::string_view text, escape_above_ascii above) {
  bool has_single = text.find('\'') != std::string_view::npos;
  char quote = has_single && text.find('"') == std::string_view::npos ? '"' : '\'';
  out += quote;
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (c == quote)
      out += '\\';
    if (byte < 0x20 || byte == 0x7f || c == '\\'
        || (byte > 0x7f && above == escape_above_ascii::yes))
      append_escaped(out, byte);
    else
      out += c;
  }
  out += quote;
}

void append_items(std::string& out, std::string_view sequence, integer_writer& integers) {
  bool first = true;
  for (field_walk items{sequence}; items.next(); first = false) {
    if (!first)
      out += ", ";
    append_repr(out, items.content(), integers);
  }
}

void append_call(std::string& out, std::string_view name, std::string_view text,
                 escape_above_ascii above = escape_above_ascii::no) {
  out += name;
  append_quoted(out, text, above);
  out += ')';
}

void append_term(std::string& out, std::string_view message) {
  std::string_view type, data;
  for (field_walk fields{message}; fields.next();)
    (fields.number() == 1 ? type : data) = fields.content();
  out += "Term(";
  append_quoted(out, type, escape_above_ascii::no);
  out += ", b";
  append_quoted(out, data, escape_above_ascii::yes);
  out += ')';
}

void append_frozenset(std::string& out, const value_view& value, integer_writer& integers) {
  out += value.content.empty() ? "frozenset(" : "frozenset({";
  append_items(out, value.content, integers);
  out += value.content.empty() ? ")" : "})";
}

// What cannot be a key, as short as it can be told.
void append_unlikely(std::string& out, const value_view& value) {
  switch (value.kind) {
    case value_kind::array: out += "array"; break;
    case value_kind::construct: out += "construct"; break;
    case value_kind::ref: out += text_field_of(value.content, 3); break;
    default: out += text_field_of(value.content, 2); break;
  }
}

void append_sequence(std::string& out, const value_view& value, integer_writer& integers) {
  if (value.kind == value_kind::set && value.content.empty()) {
    out += "set()";
    return;
  }
  out += value.kind == value_kind::list ? '[' : value.kind == value_kind::tuple ? '(' : '{';
  append_items(out, value.content, integers);
  if (value.kind == value_kind::tuple) {
    field_walk items{value.content};
    if (items.next() && !items.next())
      out += ',';
  }
  out += value.kind == value_kind::list ? ']' : value.kind == value_kind::tuple ? ')' : '}';
}

void append_mapping(std::string& out, std::string_view mapping, integer_writer& integers) {
  out += '{';
  bool first = true;
  for (field_walk entries{mapping}; entries.next(); first = false) {
    if (!first)
      out += ", ";
    auto entry = open_entry(entries.content());
    append_repr(out, entry.key, integers);
    out += ": ";
    append_repr(out, entry.value, integers);
  }
  out += '}';
}

} // namespace

void integer_writer::append(std::string& out, std::string_view twos_complement) {
  bool negative = !twos_complement.empty() && (twos_complement.back() & 0x80) != 0;
  auto limbs = magnitude(twos_complement, negative);
  if (negative)
    out += '-';
  auto work = limbs.size() * limbs.size();
  if (twos_complement.size() > decimal_bytes_at_most || work > work_left_)
    return append_hex(out, limbs);
  work_left_ -= work;
  append_decimal(out, std::move(limbs));
}

void append_float_repr(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "nan";
    return;
  }
  if (std::isinf(value)) {
    out += value < 0 ? "-inf" : "inf";
    return;
  }
  // Python's rule: an exponent below 1e-4 and from 1e16 on.
  std::array<char, 400> text;
  auto size = std::abs(value);
  auto form = size != 0 && (size < 1e-4 || size >= 1e16) ? std::chars_format::scientific
                                                         : std::chars_format::fixed;
  auto* end = std::to_chars(text.data(), text.data() + text.size(), value, form).ptr;
  std::string_view written{text.data(), static_cast<std::size_t>(end - text.data())};
  out += written;
  if (written.find_first_of(".e") == std::string_view::npos)
    out += ".0";
}

void append_repr(std::string& out, std::string_view encoded, integer_writer& integers) {
  auto value = value_view::open(encoded);
  switch (value.kind) {
    case value_kind::none: out += "None"; break;
    case value_kind::boolean: out += value.bits != 0 ? "True" : "False"; break;
    case value_kind::integer: out += std::to_string(static_cast<std::int64_t>(value.bits)); break;
    case value_kind::big_integer: integers.append(out, value.content); break;
    case value_kind::real: append_float_repr(out, std::bit_cast<double>(value.bits)); break;
    case value_kind::text: append_quoted(out, value.content, escape_above_ascii::no); break;
    case value_kind::blob:
      out += 'b';
      append_quoted(out, value.content, escape_above_ascii::yes);
      break;
    case value_kind::list:
    case value_kind::tuple:
    case value_kind::set: append_sequence(out, value, integers); break;
    case value_kind::dict: append_mapping(out, value.content, integers); break;
    case value_kind::frozenset: append_frozenset(out, value, integers); break;
    case value_kind::bytearray:
      append_call(out, "bytearray(b", value.content, escape_above_ascii::yes);
      break;
    case value_kind::decimal: append_call(out, "Decimal(", value.content); break;
    case value_kind::symbol: append_call(out, "Symbol(", value.content); break;
    case value_kind::term: append_term(out, value.content); break;
    case value_kind::complex: append_complex_repr(out, value.content); break;
    case value_kind::datetime: append_datetime_repr(out, value.content); break;
    case value_kind::date: append_date_repr(out, value.content); break;
    case value_kind::time: append_time_repr(out, value.content); break;
    case value_kind::timedelta: append_timedelta_repr(out, value.content); break;
    case value_kind::uuid:
      out += "UUID('";
      append_uuid_text(out, value.content);
      out += "')";
      break;
    case value_kind::array:
    case value_kind::construct:
    case value_kind::ref:
    case value_kind::function:
    case value_kind::opaque: append_unlikely(out, value); break;
  }
}

} // namespace vivarium::bridge
