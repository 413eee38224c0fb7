// SPDX-License-Identifier: Apache-2.0
#include "bridge/natural.hpp"

#include "bridge/plain_form.hpp"
#include "bridge/python_text.hpp"
#include "bridge/value_view.hpp"

#include <protozero/buffer_string.hpp>
#include <protozero/pbf_writer.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace vivarium::bridge {

namespace {

constexpr std::int64_t exact_in_double = (std::int64_t{1} << 53) - 1;

bool is_exact(const value_view& value) {
  auto number = static_cast<std::int64_t>(value.bits);
  return number >= -exact_in_double && number <= exact_in_double;
}

// What stands for a float that JSON has no number for; empty for all others.
std::string_view name_of_special(double value) {
  if (std::isnan(value))
    return "NaN";
  if (std::isinf(value))
    return value < 0 ? "-Infinity" : "Infinity";
  return {};
}

std::string base64(std::string_view bytes) {
  static constexpr char alphabet[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out((bytes.size() + 2) / 3 * 4, '=');
  char* to = out.data();
  const auto* at = reinterpret_cast<const unsigned char*>(bytes.data());
  const auto* end = at + bytes.size();
  for (; end - at >= 3; at += 3) {
    std::uint32_t group = at[0] << 16 | at[1] << 8 | at[2];
    *to++ = alphabet[group >> 18];
    *to++ = alphabet[group >> 12 & 63];
    *to++ = alphabet[group >> 6 & 63];
    *to++ = alphabet[group & 63];
  }
  if (at != end) { // One or two bytes are left; the rest of their group is padding.
    std::uint32_t group = at[0] << 16 | (end - at == 2 ? at[1] << 8 : 0);
    *to++ = alphabet[group >> 18];
    *to++ = alphabet[group >> 12 & 63];
    if (end - at == 2)
      *to = alphabet[group >> 6 & 63];
  }
  return out;
}

std::string key_text(std::string_view key, integer_writer& integers) {
  auto opened = value_view::open(key);
  if (opened.kind == value_kind::text || opened.kind == value_kind::symbol)
    return std::string{opened.content};
  std::string text;
  append_repr(text, key, integers);
  return text;
}

struct json_entry {
  std::string key;
  std::string_view value;
};

// The entries of a dict under the keys they have in JSON: of equal ones the last value, in the
// first one's place.
std::vector<json_entry> json_entries(std::string_view mapping, integer_writer& integers) {
  std::vector<json_entry> entries;
  // Not hashed: the keys are an attacker's, who can make any number that have the same hash.
  std::map<std::string, std::size_t, std::less<>> places;
  for (field_walk walk{mapping}; walk.next();) {
    auto entry = open_entry(walk.content());
    auto key = key_text(entry.key, integers);
    auto [place, is_new] = places.try_emplace(key, entries.size());
    if (is_new)
      entries.push_back({std::move(key), entry.value});
    else
      entries[place->second].value = entry.value;
  }
  return entries;
}

// The text of a value that is a string in JSON though it is none in Python.
std::string text_of(const value_view& value, integer_writer& integers) {
  std::string text;
  switch (value.kind) {
    case value_kind::integer: text = std::to_string(static_cast<std::int64_t>(value.bits)); break;
    case value_kind::big_integer: integers.append(text, value.content); break;
    case value_kind::real: text = name_of_special(std::bit_cast<double>(value.bits)); break;
    case value_kind::blob:
    case value_kind::bytearray: text = base64(value.content); break;
    case value_kind::opaque: text = repr_of_opaque(value.content); break;
    default: text = value.content;
  }
  return text;
}

bool is_number(const value_view& value) {
  return (value.kind == value_kind::integer && is_exact(value))
         || (value.kind == value_kind::real && std::isfinite(std::bit_cast<double>(value.bits)));
}

class json_writer {
public:
  explicit json_writer(std::string& out) : out_{out} {}

  void append(std::string_view encoded) {
    auto value = value_view::open(encoded);
    if (is_number(value))
      return append_number(value);
    switch (value.kind) {
      case value_kind::none: out_ += "null"; break;
      case value_kind::boolean: out_ += value.bits != 0 ? "true" : "false"; break;
      case value_kind::text: append_json_string(out_, value.content); break;
      case value_kind::list:
      case value_kind::tuple:
      case value_kind::set:
      case value_kind::frozenset: append_array(value.content); break;
      case value_kind::dict: append_object(value.content); break;
      default:
        if (is_plain(value.kind))
          append_json_string(out_, text_of(value, integers_));
        else
          append(plain_form(value));
    }
  }

private:
  void append_number(const value_view& value) {
    std::array<char, 32> text;
    auto* end = text.data() + text.size();
    end = value.kind == value_kind::integer
              ? std::to_chars(text.data(), end, static_cast<std::int64_t>(value.bits)).ptr
              : std::to_chars(text.data(), end, std::bit_cast<double>(value.bits)).ptr;
    out_.append(text.data(), end);
  }

  void append_array(std::string_view sequence) {
    out_ += '[';
    bool first = true;
    for (field_walk items{sequence}; items.next(); first = false) {
      if (!first)
        out_ += ',';
      append(items.content());
    }
    out_ += ']';
  }

  void append_object(std::string_view mapping) {
    out_ += '{';
    bool first = true;
    for (const auto& entry : json_entries(mapping, integers_)) {
      if (!std::exchange(first, false))
        out_ += ',';
      append_json_string(out_, entry.key);
      out_ += ':';
      append(entry.value);
    }
    out_ += '}';
  }

  std::string& out_;
  integer_writer integers_;
};

// Writes google.protobuf.Value: null_value 1, number_value 2, string_value 3, bool_value 4,
// struct_value 5 {fields 1 {key 1, value 2}}, list_value 6 {values 1}.
class struct_writer {
public:
  void append(protozero::pbf_writer to, std::string_view encoded) {
    auto value = value_view::open(encoded);
    if (is_number(value))
      return to.add_double(2, value.kind == value_kind::real
                                  ? std::bit_cast<double>(value.bits)
                                  : static_cast<double>(static_cast<std::int64_t>(value.bits)));
    switch (value.kind) {
      case value_kind::none: to.add_enum(1, 0); break;
      case value_kind::boolean: to.add_bool(4, value.bits != 0); break;
      case value_kind::text: to.add_string(3, value.content.data(), value.content.size()); break;
      case value_kind::list:
      case value_kind::tuple:
      case value_kind::set:
      case value_kind::frozenset: append_list(to, value.content); break;
      case value_kind::dict: append_struct(to, value.content); break;
      default:
        if (is_plain(value.kind))
          to.add_string(3, text_of(value, integers_));
        else
          append(std::move(to), plain_form(value));
    }
  }

private:
  // A nested writer into which nothing is written takes its tag back: what is empty is said
  // outright.
  void append_list(protozero::pbf_writer& to, std::string_view sequence) {
    if (sequence.empty())
      return to.add_message(6, "", 0);
    protozero::pbf_writer list{to, 6};
    for (field_walk items{sequence}; items.next();)
      append(protozero::pbf_writer{list, 1}, items.content());
  }

  void append_struct(protozero::pbf_writer& to, std::string_view mapping) {
    if (mapping.empty())
      return to.add_message(5, "", 0);
    protozero::pbf_writer fields{to, 5};
    for (const auto& entry : json_entries(mapping, integers_)) {
      protozero::pbf_writer field{fields, 1};
      field.add_string(1, entry.key);
      append(protozero::pbf_writer{field, 2}, entry.value);
    }
  }

  integer_writer integers_;
};

// Whether a character of a string must be escaped; U+2028 and U+2029 begin with 0xe2.
constexpr std::array<bool, 256> make_suspicious() {
  std::array<bool, 256> table{};
  for (int c = 0; c < 0x20; ++c)
    table[static_cast<std::size_t>(c)] = true;
  table['"'] = table['\\'] = table[0x7f] = table[0xe2] = true;
  return table;
}
constexpr auto suspicious = make_suspicious();

// Appends the escaped form of what begins at `at` and returns how long it was; 0: needs no escape.
std::size_t append_escape(std::string& out, std::string_view rest) {
  static constexpr std::string_view digits = "0123456789abcdef";
  auto byte = static_cast<unsigned char>(rest.front());
  switch (byte) {
    case '"': out += "\\\""; return 1;
    case '\\': out += "\\\\"; return 1;
    case '\n': out += "\\n"; return 1;
    case '\r': out += "\\r"; return 1;
    case '\t': out += "\\t"; return 1;
    case 0xe2:
      if (rest.size() < 3 || rest[1] != '\x80' || (rest[2] != '\xa8' && rest[2] != '\xa9'))
        return 0;
      out += rest[2] == '\xa8' ? "\\u2028" : "\\u2029";
      return 3;
    default:
      out += "\\u00";
      out += digits[byte >> 4];
      out += digits[byte & 15];
      return 1;
  }
}

} // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  std::size_t copied = 0;
  for (std::size_t at = 0; at < text.size();) {
    if (!suspicious[static_cast<unsigned char>(text[at])]) {
      ++at;
      continue;
    }
    out += text.substr(copied, at - copied);
    copied = at;
    auto length = append_escape(out, text.substr(at));
    copied += length;
    at += length == 0 ? 1 : length;
  }
  out += text.substr(copied);
  out += '"';
}

void append_json(std::string& out, std::string_view value) {
  json_writer{out}.append(value);
}

void append_struct_value(std::string& out, std::string_view value) {
  struct_writer{}.append(protozero::pbf_writer{out}, value);
}

} // namespace vivarium::bridge
