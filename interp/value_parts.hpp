// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "interp/python.hpp"

#include <cstddef>
#include <string>
#include <unordered_set>

namespace vivarium::interp {

/// The Python half of the value codec, `vivarium/_values.py`, and what the codec remembers. The
/// functions are bound once, before tenant code exists. Never freed.
struct value_parts {
  PyObject* symbol = nullptr;          ///< The type `vivarium.Symbol`, a subclass of str.
  PyObject* distinct_symbol = nullptr; ///< The type `vivarium.DistinctSymbol`.
  PyObject* term = nullptr;            ///< The type `vivarium.Term`.

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
};

} // namespace vivarium::interp
