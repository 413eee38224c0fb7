// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "interp/py_ref.hpp"
#include "interp/runtime.hpp"

#include <cstdint>
#include <string_view>

namespace vivarium::interp {

/// Fields of vivarium.v1.Value.
enum value_field : std::uint32_t {
  none_field = 1,
  boolean_field,
  integer_field,
  big_integer_field,
  real_field,
  text_field,
  blob_field,
  list_field,
  tuple_field,
  dict_field,
  set_field,
  frozenset_field,
  bytearray_field,
  complex_field,
  datetime_field,
  date_field,
  time_field,
  timedelta_field,
  decimal_field,
  uuid_field,
  symbol_field,
  term_field,
  array_field,
  construct_field = 25,
  ref_field = 26,
  opaque_field = 30,
};

/// Sets the OperationError of an encoding that cannot be read. Returns nothing, as a value.
py_ref refuse_value(const char* why);
/// Turns a Python error that is set, unless it is no Exception or a lack of memory, into that
/// error.
py_ref refuse_value_because_of_error();

/// Makes what the content of one of the fields complex ... array, but symbol, stands for. Null with
/// a Python error set.
py_ref decode_typed(runtime& self, std::uint32_t field, std::string_view content);

/// A str of UTF-8; null with a Python error set.
py_ref decode_text(std::string_view utf8);

} // namespace vivarium::interp
