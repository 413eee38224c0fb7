// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vivarium/error.hpp>

#include <array>
#include <chrono>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// One C++ type for each kind of Python value that has no exact counterpart in the standard library.
namespace vivarium {
inline namespace client_v1 {

class value;
struct entry;

/// None.
struct none {
  friend bool operator==(none, none) noexcept { return true; }
};

/// bytes. Moves in and out without being copied when it is made from a std::string.
class bytes {
public:
  bytes() = default;
  bytes(std::span<const std::byte> content)
      : content_{reinterpret_cast<const char*>(content.data()), content.size()} {}
  bytes(const std::vector<std::byte>& content) : bytes{std::span{content}} {}
  /// Takes the characters as they are.
  explicit bytes(std::string content) noexcept : content_{std::move(content)} {}

  [[nodiscard]] std::size_t size() const noexcept { return content_.size(); }
  [[nodiscard]] bool empty() const noexcept { return content_.empty(); }
  [[nodiscard]] std::span<const std::byte> span() const noexcept {
    return std::as_bytes(std::span{content_.data(), content_.size()});
  }
  [[nodiscard]] std::vector<std::byte> vector() const { return {span().begin(), span().end()}; }
  [[nodiscard]] const std::string& chars() const& noexcept { return content_; }
  [[nodiscard]] std::string chars() && noexcept { return std::move(content_); }
  friend bool operator==(const bytes&, const bytes&) = default;

private:
  std::string content_;
};

/// bytearray.
struct bytearray {
  bytes content;
  friend bool operator==(const bytearray&, const bytearray&) = default;
};

/// int beyond 64 bits.
class big_int {
public:
  big_int() = default;
  /// Reads an optional minus sign and decimal digits; throws `conversion_error` on anything else.
  explicit big_int(std::string_view decimal);
  /// Two's complement, little endian, shortest form.
  [[nodiscard]] static big_int from_bytes(std::string twos_complement);
  [[nodiscard]] const std::string& twos_complement() const noexcept { return bytes_; }
  [[nodiscard]] std::string decimal() const;
  friend bool operator==(const big_int&, const big_int&) = default;

private:
  std::string bytes_ = std::string(1, '\0');
};

/// The items of a list, tuple, set or frozenset.
template <int Kind>
struct sequence {
  std::vector<value> items;
};
using list = sequence<0>;
using tuple = sequence<1>;
using set = sequence<2>;
using frozenset = sequence<3>;
template <int Kind>
bool operator==(const sequence<Kind>& a, const sequence<Kind>& b);

/// dict, in insertion order, keys of any kind.
struct dict {
  std::vector<entry> entries;
  /// Value under that str key; null when there is none. Looks at one entry after the other.
  [[nodiscard]] const value* find(std::string_view key) const noexcept;
};
bool operator==(const dict& a, const dict& b);

/// Offset from UTC, and the key of the IANA database when there is one.
struct zone {
  std::optional<std::chrono::microseconds> offset;
  std::string name;
  friend bool operator==(const zone&, const zone&) = default;
};
/// datetime.date.
struct date {
  std::uint32_t year = 1;
  std::uint32_t month = 1;
  std::uint32_t day = 1;
  friend bool operator==(const date&, const date&) = default;
};
/// datetime.time; naive without a zone.
struct time_of_day {
  std::uint32_t hour = 0;
  std::uint32_t minute = 0;
  std::uint32_t second = 0;
  std::uint32_t microsecond = 0;
  std::uint32_t fold = 0;
  std::optional<struct zone> zone = {};
  friend bool operator==(const time_of_day&, const time_of_day&) = default;
};
/// datetime.datetime.
struct datetime {
  struct date date;
  time_of_day time;
  friend bool operator==(const datetime&, const datetime&) = default;
};
/// datetime.timedelta, in Python's normal form.
struct timedelta {
  std::int64_t days = 0;
  std::uint32_t seconds = 0;
  std::uint32_t microseconds = 0;
  friend bool operator==(const timedelta&, const timedelta&) = default;
};
/// decimal.Decimal, in the form of its `str`.
struct decimal {
  std::string text;
  friend bool operator==(const decimal&, const decimal&) = default;
};
/// uuid.UUID.
struct uuid {
  std::array<std::byte, 16> content{};
  /// Returns 8-4-4-4-12 hexadecimal digits.
  [[nodiscard]] std::string text() const;
  friend bool operator==(const uuid&, const uuid&) = default;
};
/// vivarium.Symbol.
struct symbol {
  std::string name;
  friend bool operator==(const symbol&, const symbol&) = default;
};
/// vivarium.Term: what Python only carries.
struct term {
  std::string type;
  bytes data;
  friend bool operator==(const term&, const term&) = default;
};
/// An object without another form, told by its type and repr. Only from Python.
struct opaque {
  std::string type_name;
  std::string repr;
  friend bool operator==(const opaque&, const opaque&) = default;
};
/// An object to be made in Python. Only to Python.
struct construct {
  std::string module; ///< Empty for builtins.
  std::string name;
  std::vector<value> args;
  std::vector<std::pair<std::string, value>> kwargs;
};
bool operator==(const construct& a, const construct& b);

/// numpy's name of an array's items of type T.
template <class T>
struct dtype_of;
#define VIVARIUM_DTYPE(type, text)                                                                 \
  template <>                                                                                      \
  struct dtype_of<type> {                                                                          \
    static constexpr std::string_view name = text;                                                 \
  }
VIVARIUM_DTYPE(bool, "|b1");
VIVARIUM_DTYPE(std::int8_t, "|i1");
VIVARIUM_DTYPE(std::uint8_t, "|u1");
VIVARIUM_DTYPE(std::int16_t, "<i2");
VIVARIUM_DTYPE(std::uint16_t, "<u2");
VIVARIUM_DTYPE(std::int32_t, "<i4");
VIVARIUM_DTYPE(std::uint32_t, "<u4");
VIVARIUM_DTYPE(std::int64_t, "<i8");
VIVARIUM_DTYPE(std::uint64_t, "<u8");
VIVARIUM_DTYPE(float, "<f4");
VIVARIUM_DTYPE(double, "<f8");
VIVARIUM_DTYPE(std::complex<float>, "<c8");
VIVARIUM_DTYPE(std::complex<double>, "<c16");
#undef VIVARIUM_DTYPE

/// numpy.ndarray of a plain dtype: its buffer as it lies in memory, in C order.
struct ndarray {
  std::string dtype;
  std::vector<std::size_t> shape; ///< Empty for a scalar.
  std::string data;

  /// Makes an array of one dimension, or of `shape`, whose product must be the number of items.
  template <class T>
  [[nodiscard]] static ndarray of(std::span<const T> items, std::vector<std::size_t> shape = {}) {
    if (shape.empty())
      shape = {items.size()};
    std::string data(reinterpret_cast<const char*>(items.data()), items.size_bytes());
    ndarray made{std::string{dtype_of<T>::name}, std::move(shape), std::move(data)};
    made.check(dtype_of<T>::name, sizeof(T), 1);
    return made;
  }
  /// The items, without copying, as long as the array lives. Throws `conversion_error` when they
  /// are of another type.
  template <class T>
  [[nodiscard]] std::span<const T> view() const& {
    check(dtype_of<T>::name, sizeof(T), alignof(T));
    return {reinterpret_cast<const T*>(data.data()), data.size() / sizeof(T)};
  }
  template <class T>
  std::span<const T> view() && = delete;
  /// Product of the shape.
  [[nodiscard]] std::size_t size() const noexcept;
  friend bool operator==(const ndarray&, const ndarray&) = default;
  /// Throws `conversion_error` unless its items are of that dtype and as many as the shape says.
  void check(std::string_view wanted, std::size_t item, std::size_t alignment) const;
};

} // namespace client_v1
} // namespace vivarium
