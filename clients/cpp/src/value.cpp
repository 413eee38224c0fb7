// SPDX-License-Identifier: Apache-2.0
#include <vivarium/value.hpp>

#include <algorithm>
#include <limits>

namespace vivarium {
inline namespace client_v1 {

namespace {

/// Names of the alternatives of value::storage, in order; where it is empty the value knows.
constexpr std::array<std::string_view, std::variant_size_v<value::storage>> type_names{
    "None",
    "bool",
    "int",
    "int",
    "float",
    "str",
    "bytes",
    "list",
    "tuple",
    "dict",
    "set",
    "frozenset",
    "bytearray",
    "complex",
    "datetime.datetime",
    "datetime.date",
    "datetime.time",
    "datetime.timedelta",
    "decimal.Decimal",
    "uuid.UUID",
    "vivarium.Symbol",
    "vivarium.Term",
    "numpy.ndarray",
    "",
    "",
    "",
    "vivarium.HostFunction"};

/// Multiplies little-endian base 256 by ten and adds.
void times_ten_plus(std::string& magnitude, unsigned digit) {
  unsigned carry = digit;
  for (auto& byte : magnitude) {
    carry += static_cast<unsigned char>(byte) * 10U;
    byte = static_cast<char>(carry & 0xffU);
    carry >>= 8U;
  }
  if (carry != 0)
    magnitude.push_back(static_cast<char>(carry));
}

void negate(std::string& twos) {
  unsigned carry = 1;
  for (auto& byte : twos) {
    carry += static_cast<unsigned char>(~byte);
    byte = static_cast<char>(carry & 0xffU);
    carry >>= 8U;
  }
}

bool is_negative(std::string_view twos) {
  return !twos.empty() && (static_cast<unsigned char>(twos.back()) & 0x80U) != 0;
}

/// Drops what only repeats the sign.
void shorten(std::string& twos) {
  while (twos.size() > 1) {
    const auto last = static_cast<unsigned char>(twos.back());
    const bool sign = (static_cast<unsigned char>(twos[twos.size() - 2]) & 0x80U) != 0;
    if (last != (sign ? 0xffU : 0U))
      return;
    twos.pop_back();
  }
}

} // namespace

big_int::big_int(std::string_view decimal) {
  const bool negative = decimal.starts_with('-');
  const auto digits = decimal.substr(negative ? 1 : 0);
  if (digits.empty()
      || !std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; }))
    throw conversion_error{"str", "vivarium::big_int", "expected decimal digits"};
  bytes_.clear();
  for (const char digit : digits)
    times_ten_plus(bytes_, static_cast<unsigned>(digit - '0'));
  bytes_.push_back('\0');
  if (negative)
    negate(bytes_);
  shorten(bytes_);
}

big_int big_int::from_bytes(std::string twos_complement) {
  big_int out;
  if (!twos_complement.empty())
    out.bytes_ = std::move(twos_complement);
  shorten(out.bytes_);
  return out;
}

std::string big_int::decimal() const {
  auto rest = bytes_;
  const bool negative = is_negative(rest);
  if (negative)
    negate(rest);
  std::string out;
  while (!rest.empty()) {
    unsigned remainder = 0;
    for (auto at = rest.rbegin(); at != rest.rend(); ++at) {
      remainder = remainder << 8U | static_cast<unsigned char>(*at);
      *at = static_cast<char>(remainder / 10U);
      remainder %= 10U;
    }
    out.push_back(static_cast<char>('0' + remainder));
    while (!rest.empty() && rest.back() == '\0')
      rest.pop_back();
  }
  if (negative)
    out.push_back('-');
  std::reverse(out.begin(), out.end());
  return out;
}

const value* dict::find(std::string_view key) const noexcept {
  for (const auto& each : entries)
    if (const auto* text = each.key.get_if<std::string>(); text != nullptr && *text == key)
      return &each.held;
  return nullptr;
}

std::string uuid::text() const {
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < content.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10)
      out.push_back('-');
    out.push_back(digits[std::to_integer<std::size_t>(content[i] >> 4)]);
    out.push_back(digits[std::to_integer<std::size_t>(content[i] & std::byte{15})]);
  }
  return out;
}

std::size_t ndarray::size() const noexcept {
  std::size_t out = 1;
  for (auto length : shape)
    out *= length;
  return out;
}

void ndarray::check(std::string_view wanted, std::size_t item, std::size_t alignment) const {
  const auto type = "numpy.ndarray of " + dtype;
  const auto to = "items of " + std::string{wanted};
  if (dtype != wanted)
    throw conversion_error{type, to};
  if (data.size() / item != size() || data.size() % item != 0)
    throw conversion_error{type, to, "its shape and its data do not fit"};
  if (reinterpret_cast<std::uintptr_t>(data.data()) % alignment != 0)
    throw conversion_error{type, to, "its data is not aligned"};
}

value value::list_of(std::initializer_list<value> items) {
  return list{items};
}

value value::dict_of(std::initializer_list<std::pair<value, value>> entries) {
  dict out;
  for (const auto& [key, held] : entries)
    out.entries.push_back({key, held});
  return out;
}

std::string value::type_name() const {
  if (const auto* made = get_if<construct>())
    return made->module.empty() ? made->name : made->module + "." + made->name;
  if (const auto* of = get_if<class ref>())
    return of->type_name().empty() ? "object" : of->type_name();
  if (const auto* told = get_if<opaque>())
    return told->type_name;
  return std::string{type_names.at(content_.index())};
}

bool operator==(const value& a, const value& b) {
  return a.content_ == b.content_;
}
bool operator==(const entry& a, const entry& b) {
  return a.key == b.key && a.held == b.held;
}
bool operator==(const dict& a, const dict& b) {
  return a.entries == b.entries;
}
bool operator==(const construct& a, const construct& b) {
  return a.module == b.module && a.name == b.name && a.args == b.args && a.kwargs == b.kwargs;
}

namespace detail {

const std::vector<value>* items_of(const value& from, bool sets) noexcept {
  if (const auto* found = from.get_if<list>())
    return &found->items;
  if (const auto* found = from.get_if<tuple>())
    return &found->items;
  if (!sets)
    return nullptr;
  if (const auto* found = from.get_if<set>())
    return &found->items;
  const auto* found = from.get_if<frozenset>();
  return found == nullptr ? nullptr : &found->items;
}

value of_unsigned(std::uint64_t from) {
  if (std::in_range<std::int64_t>(from))
    return value{std::in_place_type<std::int64_t>, static_cast<std::int64_t>(from)};
  std::string bytes;
  for (int i = 0; i < 8; ++i)
    bytes.push_back(static_cast<char>(from >> (8 * i)));
  bytes.push_back('\0');
  return big_int::from_bytes(std::move(bytes));
}

std::optional<std::uint64_t> unsigned_of(const value& from) noexcept {
  const auto* big = from.get_if<big_int>();
  if (big == nullptr)
    return std::nullopt;
  const auto& bytes = big->twos_complement();
  if (bytes.size() > 9 || is_negative(bytes) || (bytes.size() == 9 && bytes[8] != '\0'))
    return std::nullopt;
  std::uint64_t out = 0;
  for (std::size_t i = 0; i < std::min<std::size_t>(bytes.size(), 8); ++i)
    out |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  return out;
}

std::optional<double> exact_double(std::int64_t from) noexcept {
  const auto out = static_cast<double>(from);
  // 2^63 itself is a double and no int64.
  if (out >= 0x1p63 || static_cast<std::int64_t>(out) != from)
    return std::nullopt;
  return out;
}

} // namespace detail

} // namespace client_v1
} // namespace vivarium
