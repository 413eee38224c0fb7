// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vivarium/host_function.hpp>
#include <vivarium/ref.hpp>

#include <concepts>
#include <initializer_list>
#include <type_traits>
#include <variant>

namespace vivarium {
inline namespace client_v1 {

/// How a C++ type becomes a value and back. Specialise it for types of your own: `to` makes the
/// value, `from` throws `conversion_error` (see `mismatch`) when the value is not of that type.
///
///     template <> struct vivarium::converter<point> {
///       static value to(const point& p) { return std::pair{p.x, p.y}; }
///       static point from(const value& v) { auto [x, y] = v.as<std::pair<int, int>>(); ... }
///     };
template <class T>
struct converter;

/// Whether T becomes a value.
template <class T>
concept to_value = !std::same_as<std::remove_cvref_t<T>, value> && requires(T && from) {
  converter<std::decay_t<T>>::to(std::forward<T>(from));
};

/// A Python value with its type kept. What converts implicitly to it and back by `as`:
///
/// | C++ | Python |
/// | --- | --- |
/// | none, std::nullopt, std::optional<T> | None |
/// | bool | bool |
/// | integers; big_int | int; `as` checks the range |
/// | float, double | float; `as` takes an int that is exact |
/// | std::string, const char*, std::string_view (to Python only) | str; `as` takes a symbol too |
/// | bytes, std::vector<std::byte> | bytes; `as` takes a bytearray too |
/// | std::vector<T>, std::array<T, n> | list; `as` takes tuples, sets, arrays of one dimension |
/// | std::set<T>, std::unordered_set<T> | set, frozenset |
/// | std::map<K, V>, std::unordered_map<K, V> | dict |
/// | std::tuple<...>, std::pair<A, B> | tuple; `as` takes a list too |
/// | std::complex<T> | complex |
/// | std::chrono::duration | timedelta |
/// | time_point of system_clock | datetime in UTC; `as` takes any with an offset |
/// | ndarray, std::span<const T> (to Python only) | numpy.ndarray |
/// | ref | an object of the session |
/// | host_function, a callable for `host_call&` (see host.hpp) | a function of the application |
/// | the other types of kinds.hpp | theirs |
class value {
public:
  using storage = std::variant<none, bool, std::int64_t, big_int, double, std::string, bytes, list,
                               tuple, dict, set, frozenset, bytearray, std::complex<double>,
                               datetime, date, time_of_day, timedelta, decimal, uuid, symbol, term,
                               ndarray, construct, ref, opaque, host_function>;

  /// None.
  value() = default;
  template <to_value T>
  value(T&& from) : value{converter<std::decay_t<T>>::to(std::forward<T>(from))} {}
  /// Holds exactly this alternative.
  template <class T, class... Args>
  explicit value(std::in_place_type_t<T> which, Args&&... args)
      : content_{which, std::forward<Args>(args)...} {}

  /// Makes a list of the items.
  [[nodiscard]] static value list_of(std::initializer_list<value> items);
  /// Makes a dict of key and value, key and value...
  [[nodiscard]] static value dict_of(std::initializer_list<std::pair<value, value>> entries);
  /// Reads JSON: numbers without fraction within ±(2^53 - 1) become int, objects dict. Throws
  /// `conversion_error` when the text is no JSON.
  [[nodiscard]] static value from_json(std::string_view text);

  /// Converts to T, or throws `conversion_error` that names both types.
  template <class T>
  [[nodiscard]] T as() const& {
    return converter<T>::from(*this);
  }
  template <class T>
  [[nodiscard]] T as() &&;

  /// The alternative T when it holds that, else null.
  template <class T>
  [[nodiscard]] const T* get_if() const noexcept {
    return std::get_if<T>(&content_);
  }
  template <class T>
  [[nodiscard]] T* get_if() noexcept {
    return std::get_if<T>(&content_);
  }
  [[nodiscard]] bool is_none() const noexcept { return get_if<none>() != nullptr; }
  /// Name of the Python type, e.g. "int", "datetime.date".
  [[nodiscard]] std::string type_name() const;
  [[nodiscard]] const storage& content() const noexcept { return content_; }
  [[nodiscard]] storage& content() noexcept { return content_; }

  /// Same kind and same content; refs by their id. NaN differs from itself, as everywhere.
  friend bool operator==(const value& a, const value& b);

private:
  storage content_;
};

/// One entry of a dict.
struct entry {
  value key;
  value held;
  friend bool operator==(const entry& a, const entry& b);
};

template <int Kind>
bool operator==(const sequence<Kind>& a, const sequence<Kind>& b) {
  return a.items == b.items;
}

/// Names of C++ types in errors.
[[nodiscard]] std::string cpp_name(const std::type_info& type);
/// Throws `conversion_error` from the type of `from` to T.
template <class T>
[[noreturn]] void mismatch(const value& from, std::string_view why = {}) {
  throw conversion_error{from.type_name(), cpp_name(typeid(T)), why};
}

} // namespace client_v1
} // namespace vivarium

#include <vivarium/convert.hpp> // IWYU pragma: export
