// SPDX-License-Identifier: Apache-2.0
#include "interp/value_parts.hpp"

namespace vivarium::interp {

namespace {

struct part_row {
  const char* name;
  PyObject* value_parts::*member;
};

constexpr part_row rows[] = {
    {"symbol", &value_parts::symbol},
    {"distinct_symbol", &value_parts::distinct_symbol},
    {"term", &value_parts::term},
    {"make_date", &value_parts::make_date},
    {"make_time", &value_parts::make_time},
    {"make_datetime", &value_parts::make_datetime},
    {"make_timedelta", &value_parts::make_timedelta},
    {"make_decimal", &value_parts::make_decimal},
    {"make_uuid", &value_parts::make_uuid},
    {"make_array", &value_parts::make_array},
    {"construct", &value_parts::construct},
    {"date_parts", &value_parts::date_parts},
    {"time_parts", &value_parts::time_parts},
    {"datetime_parts", &value_parts::datetime_parts},
    {"timedelta_parts", &value_parts::timedelta_parts},
    {"decimal_parts", &value_parts::decimal_parts},
    {"uuid_parts", &value_parts::uuid_parts},
    {"array_parts", &value_parts::array_parts},
    {"scalar_item", &value_parts::scalar_item},
    {"symbol_name", &value_parts::symbol_name},
    {"term_parts", &value_parts::term_parts},
};

} // namespace

bool value_parts::bind(PyObject* keywords) {
  for (const auto& row : rows) {
    auto* part = keywords != nullptr ? PyDict_GetItemString(keywords, row.name) : nullptr;
    if (part == nullptr) {
      PyErr_Format(PyExc_TypeError, "bind_values needs %s", row.name);
      return false;
    }
    this->*row.member = Py_NewRef(part);
  }
  int_from_bytes = PyObject_GetAttrString(reinterpret_cast<PyObject*>(&PyLong_Type), "from_bytes");
  return int_from_bytes != nullptr;
}

} // namespace vivarium::interp
