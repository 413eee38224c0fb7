// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "interp/python.hpp"

#include <array>
#include <cstddef>
#include <string>
#include <unordered_set>

namespace vivarium::interp {

/// The types of the standard library and of numpy that have a form of their own, in the order in
/// which they are tried: a datetime is a date.
enum class base_type : std::size_t {
  datetime,
  date,
  time,
  timedelta,
  decimal,
  uuid,
  array,
  scalar,
  none,
};
inline constexpr auto base_types = static_cast<std::size_t>(base_type::none);

/// The Python half of the value codec, `vivarium/_values.py`, and what the codec remembers. The
/// functions are bound once, before tenant code exists. Never freed.
struct value_parts {
  PyObject* symbol = nullptr;          ///< The type `vivarium.Symbol`, a subclass of str.
  PyObject* distinct_symbol = nullptr; ///< The type `vivarium.DistinctSymbol`.
  PyObject* term = nullptr;            ///< The type `vivarium.Term`.
  PyObject* function = nullptr;        ///< The type `vivarium.HostFunction`.
  PyObject* function_name = nullptr;   ///< (function) -> str

  // To Python; their arguments are the fields of the messages, in their order.
  PyObject* make_date = nullptr;
  PyObject* make_time = nullptr;     ///< (hour ... fold, has_zone, offset_us or None, zone name)
  PyObject* make_datetime = nullptr; ///< (year, month, day, then as for a time)
  PyObject* make_timedelta = nullptr;
  PyObject* make_decimal = nullptr;
  PyObject* make_uuid = nullptr;
  PyObject* make_array = nullptr; ///< (dtype, tuple of lengths, bytearray)
  PyObject* construct = nullptr;  ///< (module, name, list of arguments, dict of keywords)

  // From Python: (value, base type) -> what the `make_` function takes, or None: it has no form.
  PyObject* date_parts = nullptr;
  PyObject* time_parts = nullptr;
  PyObject* datetime_parts = nullptr;
  PyObject* timedelta_parts = nullptr;
  PyObject* decimal_parts = nullptr; ///< -> str
  PyObject* uuid_parts = nullptr;    ///< -> bytes
  PyObject* array_parts = nullptr;   ///< -> (dtype, tuple of lengths, what has the buffer)
  PyObject* scalar_item = nullptr;   ///< -> another object that stands for it
  PyObject* symbol_name = nullptr;   ///< (distinct symbol) -> str
  PyObject* term_parts = nullptr;    ///< (term) -> (type, data)

  PyObject* int_from_bytes = nullptr; ///< The method of int.

  /// Distinct symbols that may leave a session: hosts may never free one.
  static constexpr std::size_t symbols_at_most = 10'000;
  PyObject* custom_encoder = nullptr; ///< What the tenant's code set, or null.
  std::unordered_set<std::string> symbols;

  /// Binds what the names of the members say. False: a Python error is set.
  bool bind(PyObject* keywords);

  /// Which of the types a type is or comes from. A type is looked for where its module is, in
  /// sys.modules; one that nobody imported has no instances. `none` may come with a Python error.
  base_type base_of(PyTypeObject* type);
  [[nodiscard]] PyObject* type_of(base_type base) const { return bases_[index(base)]; }
  /// The function that takes instances apart.
  [[nodiscard]] PyObject* parts_of(base_type base) const;

private:
  static constexpr std::size_t index(base_type base) { return static_cast<std::size_t>(base); }
  [[nodiscard]] base_type found_base_of(PyTypeObject* type) const;
  bool look_for_bases();

  std::array<PyObject*, base_types> bases_{};
  std::size_t bases_found_ = 0;
};

} // namespace vivarium::interp
