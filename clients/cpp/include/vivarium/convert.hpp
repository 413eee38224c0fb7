// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vivarium/value.hpp>

#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <ranges>
#include <set>
#include <tuple>
#include <typeinfo>
#include <unordered_map>
#include <unordered_set>

// The conversions that value.hpp promises.
namespace vivarium {
inline namespace client_v1 {

namespace detail {

template <class T, class Variant>
struct is_alternative;
template <class T, class... Ts>
struct is_alternative<T, std::variant<Ts...>> : std::disjunction<std::is_same<T, Ts>...> {};

/// Alternatives that have rules of their own below.
template <class T>
concept special =
    std::same_as<T, bool> || std::same_as<T, std::int64_t> || std::same_as<T, double> || std::
        same_as<T, std::string> || std::same_as<T, bytes> || std::same_as<T, std::complex<double>>;
template <class T>
concept integer =
    std::integral<T> && !std::same_as<
        T,
        bool> && !std::same_as<T, char> && !std::same_as<T, wchar_t> && !std::same_as<T, char8_t> && !std::same_as<T, char16_t> && !std::same_as<T, char32_t>;

/// The items of anything that is like a sequence; null for what is not.
[[nodiscard]] const std::vector<value>* items_of(const value& from, bool sets) noexcept;
[[nodiscard]] value of_unsigned(std::uint64_t from);
/// A big int that fits; nothing for one that does not.
[[nodiscard]] std::optional<std::uint64_t> unsigned_of(const value& from) noexcept;
[[nodiscard]] std::optional<double> exact_double(std::int64_t from) noexcept;
/// Microseconds of a timedelta, and of a datetime since 1970 in UTC; nothing when they do not fit
/// resp. when it has no offset.
[[nodiscard]] std::optional<std::chrono::microseconds> microseconds_of(const timedelta&) noexcept;
[[nodiscard]] std::optional<std::chrono::microseconds> microseconds_of(const datetime&) noexcept;
[[nodiscard]] timedelta timedelta_of(std::chrono::microseconds) noexcept;
/// Throws `conversion_error` outside of the years 1 to 9999.
[[nodiscard]] datetime datetime_of(std::chrono::microseconds since_1970);

} // namespace detail

/// The alternatives themselves.
template <class T>
requires(detail::is_alternative<T, value::storage>::value
         && !detail::special<T>) struct converter<T> {
  static value to(T from) { return value{std::in_place_type<T>, std::move(from)}; }
  static T from(const value& from) {
    if (const auto* found = from.get_if<T>())
      return *found;
    mismatch<T>(from);
  }
  static T take(value&& from) {
    if (auto* found = from.get_if<T>())
      return std::move(*found);
    mismatch<T>(from);
  }
};

template <>
struct converter<value> {
  static value from(const value& from) { return from; }
  static value take(value&& from) { return std::move(from); }
};

template <>
struct converter<std::nullopt_t> {
  static value to(std::nullopt_t) { return {}; }
};

template <>
struct converter<bool> {
  static value to(bool from) { return value{std::in_place_type<bool>, from}; }
  static bool from(const value& from) {
    if (const auto* found = from.get_if<bool>())
      return *found;
    mismatch<bool>(from);
  }
};

template <detail::integer T>
struct converter<T> {
  static value to(T from) {
    if constexpr (std::unsigned_integral<T>)
      return detail::of_unsigned(from);
    else
      return value{std::in_place_type<std::int64_t>, from};
  }
  static T from(const value& from) {
    if (const auto* found = from.get_if<std::int64_t>(); found != nullptr) {
      if (std::in_range<T>(*found))
        return static_cast<T>(*found);
      mismatch<T>(from, "out of range");
    }
    if (from.get_if<big_int>() == nullptr)
      mismatch<T>(from);
    if constexpr (std::same_as<T, std::uint64_t> || std::same_as<T, unsigned long long>)
      if (auto found = detail::unsigned_of(from))
        return *found;
    mismatch<T>(from, "out of range");
  }
};

template <std::floating_point T>
struct converter<T> {
  static value to(T from) { return value{std::in_place_type<double>, static_cast<double>(from)}; }
  static T from(const value& from) {
    std::optional<double> found;
    if (const auto* real = from.get_if<double>())
      found = *real;
    else if (const auto* whole = from.get_if<std::int64_t>(); whole == nullptr)
      mismatch<T>(from);
    else if (found = detail::exact_double(*whole); !found)
      mismatch<T>(from, "not exact");
    if (std::isfinite(*found) && std::abs(*found) > std::numeric_limits<T>::max())
      mismatch<T>(from, "out of range");
    return static_cast<T>(*found);
  }
};

template <>
struct converter<std::string> {
  static value to(std::string from) {
    return value{std::in_place_type<std::string>, std::move(from)};
  }
  static std::string from(const value& from) {
    if (const auto* text = from.get_if<std::string>())
      return *text;
    if (const auto* name = from.get_if<symbol>())
      return name->name;
    mismatch<std::string>(from);
  }
  static std::string take(value&& from) {
    auto* text = from.get_if<std::string>();
    return text != nullptr ? std::move(*text) : converter::from(from);
  }
};
template <>
struct converter<std::string_view> {
  static value to(std::string_view from) { return std::string{from}; }
};
template <>
struct converter<const char*> {
  static value to(const char* from) { return std::string{from}; }
};
template <>
struct converter<char*> : converter<const char*> {};

template <>
struct converter<bytes> {
  static value to(bytes from) { return value{std::in_place_type<bytes>, std::move(from)}; }
  static bytes from(const value& from) {
    if (const auto* found = from.get_if<bytes>())
      return *found;
    if (const auto* found = from.get_if<bytearray>())
      return found->content;
    mismatch<bytes>(from);
  }
  static bytes take(value&& from) {
    if (auto* found = from.get_if<bytes>())
      return std::move(*found);
    if (auto* found = from.get_if<bytearray>())
      return std::move(found->content);
    mismatch<bytes>(from);
  }
};
template <>
struct converter<std::vector<std::byte>> {
  static value to(const std::vector<std::byte>& from) { return bytes{from}; }
  static std::vector<std::byte> from(const value& from) {
    return converter<bytes>::from(from).vector();
  }
};

template <std::floating_point T>
struct converter<std::complex<T>> {
  static value to(std::complex<T> from) {
    return value{std::in_place_type<std::complex<double>>, from};
  }
  static std::complex<T> from(const value& from) {
    if (const auto* found = from.get_if<std::complex<double>>())
      return {converter<T>::from(found->real()), converter<T>::from(found->imag())};
    if (from.get_if<double>() == nullptr && from.get_if<std::int64_t>() == nullptr)
      mismatch<std::complex<T>>(from);
    return converter<T>::from(from);
  }
};

template <class T>
struct converter<std::optional<T>> {
  static value to(std::optional<T> from) { return from ? value{*std::move(from)} : value{}; }
  static std::optional<T> from(const value& from) {
    if (from.is_none())
      return std::nullopt;
    return from.as<T>();
  }
};

template <class T>
struct converter<std::vector<T>> {
  static value to(std::vector<T> from) {
    list out;
    out.items.reserve(from.size());
    for (auto&& item : from)
      out.items.emplace_back(T(std::move(item)));
    return out;
  }
  static std::vector<T> from(const value& from) {
    std::vector<T> out;
    if constexpr (requires { dtype_of<T>::name; }) {
      if (const auto* array = from.get_if<ndarray>();
          array != nullptr && array->shape.size() == 1) {
        auto items = array->view<T>();
        return {items.begin(), items.end()};
      }
    }
    const auto* items = detail::items_of(from, true);
    if (items == nullptr)
      mismatch<std::vector<T>>(from);
    out.reserve(items->size());
    for (const auto& item : *items)
      out.push_back(item.as<T>());
    return out;
  }
};

template <class T, std::size_t N>
struct converter<std::array<T, N>> {
  static value to(const std::array<T, N>& from) { return std::vector<T>{from.begin(), from.end()}; }
  static std::array<T, N> from(const value& from) {
    const auto* items = detail::items_of(from, false);
    if (items == nullptr || items->size() != N)
      mismatch<std::array<T, N>>(from, items == nullptr ? "" : "another number of items");
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return std::array<T, N>{(*items)[I].template as<T>()...};
    }
    (std::make_index_sequence<N>{});
  }
};

/// An array of one dimension.
template <class T, std::size_t Extent>
struct converter<std::span<T, Extent>> {
  static value to(std::span<T, Extent> from) {
    return ndarray::of(std::span<const std::remove_const_t<T>>{from});
  }
};

namespace detail {

template <class Set>
struct set_converter {
  static value to(const Set& from) {
    set out;
    for (const auto& item : from)
      out.items.emplace_back(item);
    return out;
  }
  static Set from(const value& from) {
    const std::vector<value>* items = nullptr;
    if (const auto* found = from.get_if<set>())
      items = &found->items;
    else if (const auto* found = from.get_if<frozenset>())
      items = &found->items;
    else
      mismatch<Set>(from);
    Set out;
    for (const auto& item : *items)
      out.insert(item.template as<typename Set::value_type>());
    return out;
  }
};

template <class Map>
struct map_converter {
  static value to(const Map& from) {
    dict out;
    out.entries.reserve(from.size());
    for (const auto& [key, held] : from)
      out.entries.push_back({key, held});
    return out;
  }
  static Map from(const value& from) {
    const auto* found = from.get_if<dict>();
    if (found == nullptr)
      mismatch<Map>(from);
    Map out;
    for (const auto& [key, held] : found->entries)
      out.insert_or_assign(key.template as<typename Map::key_type>(),
                           held.template as<typename Map::mapped_type>());
    return out;
  }
};

template <class Tuple>
struct tuple_converter {
  static value to(Tuple from) {
    tuple out;
    std::apply([&out](auto&&... items) { (out.items.emplace_back(std::move(items)), ...); }, from);
    return out;
  }
  static Tuple from(const value& from) {
    constexpr auto size = std::tuple_size_v<Tuple>;
    const auto* items = items_of(from, false);
    if (items == nullptr || items->size() != size)
      mismatch<Tuple>(from, items == nullptr ? "" : "another number of items");
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return Tuple{(*items)[I].template as<std::tuple_element_t<I, Tuple>>()...};
    }
    (std::make_index_sequence<size>{});
  }
};

} // namespace detail

template <class T>
struct converter<std::set<T>> : detail::set_converter<std::set<T>> {};
template <class T>
struct converter<std::unordered_set<T>> : detail::set_converter<std::unordered_set<T>> {};
template <class K, class V>
struct converter<std::map<K, V>> : detail::map_converter<std::map<K, V>> {};
template <class K, class V>
struct converter<std::unordered_map<K, V>> : detail::map_converter<std::unordered_map<K, V>> {};
template <class... Ts>
struct converter<std::tuple<Ts...>> : detail::tuple_converter<std::tuple<Ts...>> {};
template <class A, class B>
struct converter<std::pair<A, B>> : detail::tuple_converter<std::pair<A, B>> {};

template <class T>
T value::as() && {
  if constexpr (requires { converter<T>::take(std::move(*this)); })
    return converter<T>::take(std::move(*this));
  else
    return converter<T>::from(*this);
}

} // namespace client_v1
} // namespace vivarium

#include <vivarium/convert_times.hpp> // IWYU pragma: export
