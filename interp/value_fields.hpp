// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

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
  function_field = 27,
  opaque_field = 30,
};

} // namespace vivarium::interp
