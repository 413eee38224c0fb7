// SPDX-License-Identifier: Apache-2.0
#include "bridge/array_view.hpp"

#include "bridge/wire_reader.hpp"

#include <algorithm>
#include <charconv>

namespace vivarium::bridge {

namespace {

constexpr std::size_t unit_characters_at_most = 16;

// "[ns]", "[25s]": what a time counts.
bool is_unit(std::string_view text) {
  static constexpr std::string_view units[] = {"Y",  "M",  "W",  "D",  "h",  "m",  "s",
                                               "ms", "us", "ns", "ps", "fs", "as", "\xce\xbcs"};
  if (text.size() < 3 || text.size() > unit_characters_at_most || text.front() != '['
      || text.back() != ']')
    return false;
  text = text.substr(1, text.size() - 2);
  auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
  return digits <= 9 && std::ranges::find(units, text.substr(digits)) != std::end(units);
}

bool is_size_of(char kind, std::uint64_t size) {
  switch (kind) {
    case 'b': return size == 1;
    case 'i':
    case 'u': return size == 1 || size == 2 || size == 4 || size == 8;
    case 'f': return size == 2 || size == 4 || size == 8 || size == 12 || size == 16;
    case 'c': return size == 8 || size == 16 || size == 24 || size == 32;
    case 'm':
    case 'M': return size == 8;
    default: return size < 1u << 30;
  }
}

} // namespace

bool array_view::read_dtype() {
  auto rest = dtype;
  if (!rest.empty() && (rest.front() == '<' || rest.front() == '>' || rest.front() == '|')) {
    order = rest.front();
    rest.remove_prefix(1);
  }
  if (rest.empty() || std::string_view{"biufcSUmM"}.find(rest.front()) == std::string_view::npos)
    return false;
  kind = rest.front();
  rest.remove_prefix(1);
  auto [end, wrong] = std::from_chars(rest.data(), rest.data() + rest.size(), item_bytes);
  if (wrong != std::errc{} || !is_size_of(kind, item_bytes))
    return false;
  if (kind == 'U')
    item_bytes *= 4;
  rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
  return rest.empty() || ((kind == 'm' || kind == 'M') && is_unit(rest));
}

bool array_view::add_dimension(std::uint64_t length) {
  if (dimensions == dimensions_at_most)
    return false;
  shape[dimensions++] = length;
  return true;
}

const char* array_view::read(std::string_view encoded) {
  wire_reader reader{encoded};
  wire_field field;
  while (reader.next(field)) {
    bool is_bytes = field.type == wire_field::bytes;
    auto add = [this](std::uint64_t length) { return add_dimension(length); };
    if (field.number == 2) {
      if (!(is_bytes ? each_packed(field.content, add)
                     : field.type == wire_field::varint && add(field.bits)))
        return "an array has too many dimensions";
    } else if (!is_bytes || field.number > 3) {
      return "an array is malformed";
    } else {
      (field.number == 1 ? dtype : data) = field.content;
    }
  }
  return reader.failed() ? "an array is malformed" : nullptr;
}

const char* array_view::open(std::string_view encoded) {
  if (const char* wrong = read(encoded))
    return wrong;
  if (!read_dtype())
    return "an array has a dtype that is not plain";
  const auto* end = shape.cbegin() + dimensions;
  bool is_empty = std::find(shape.cbegin(), end, std::uint64_t{0}) != end;
  items = is_empty ? 0 : 1;
  for (std::size_t i = 0; !is_empty && i < dimensions; ++i)
    if (__builtin_mul_overflow(items, shape[i], &items))
      return "an array is larger than its data";
  std::uint64_t bytes = 0;
  if (__builtin_mul_overflow(items, item_bytes, &bytes) || bytes != data.size())
    return "an array is not as large as its data";
  return nullptr;
}

} // namespace vivarium::bridge
