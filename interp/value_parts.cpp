// SPDX-License-Identifier: Apache-2.0
#include "interp/value_parts.hpp"

#include "interp/py_ref.hpp"

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
    {"function", &value_parts::function},
    {"function_name", &value_parts::function_name},
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

struct base_row {
  const char* module;
  const char* name;
  PyObject* value_parts::*parts;
};

// In the order of base_type.
constexpr base_row base_rows[base_types] = {
    {"datetime", "datetime", &value_parts::datetime_parts},
    {"datetime", "date", &value_parts::date_parts},
    {"datetime", "time", &value_parts::time_parts},
    {"datetime", "timedelta", &value_parts::timedelta_parts},
    {"decimal", "Decimal", &value_parts::decimal_parts},
    {"uuid", "UUID", &value_parts::uuid_parts},
    {"numpy", "ndarray", &value_parts::array_parts},
    {"numpy", "generic", &value_parts::scalar_item},
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

PyObject* value_parts::parts_of(base_type base) const {
  return this->*base_rows[index(base)].parts;
}

// False: a Python error is set, which is an interrupt. A module may be anything, or half imported.
bool value_parts::look_for_bases() {
  auto* modules = PyImport_GetModuleDict();
  for (std::size_t i = 0; i < base_types; ++i) {
    if (bases_[i] != nullptr)
      continue;
    auto module = py_ref::share(PyDict_GetItemString(modules, base_rows[i].module));
    if (!module)
      continue;
    auto found = py_ref::steal(PyObject_GetAttrString(module.get(), base_rows[i].name));
    if (found && PyType_Check(found.get())) {
      bases_[i] = found.release();
      ++bases_found_;
    }
    if (PyErr_Occurred() != nullptr && !PyErr_ExceptionMatches(PyExc_Exception))
      return false;
    PyErr_Clear();
  }
  return true;
}

base_type value_parts::found_base_of(PyTypeObject* type) const {
  for (std::size_t i = 0; i < base_types; ++i)
    if (bases_[i] != nullptr
        && PyType_IsSubtype(type, reinterpret_cast<PyTypeObject*>(bases_[i])) != 0)
      return static_cast<base_type>(i);
  return base_type::none;
}

base_type value_parts::base_of(PyTypeObject* type) {
  auto found = found_base_of(type);
  if (found != base_type::none || bases_found_ == base_types || !look_for_bases())
    return found;
  return found_base_of(type);
}

} // namespace vivarium::interp
