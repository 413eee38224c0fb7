// SPDX-License-Identifier: Apache-2.0
#include "interp/operations.hpp"

#include "interp/decode_value.hpp"
#include "interp/operation_error.hpp"

#include <cstddef>
#include <string_view>

namespace vivarium::interp {

namespace {

py_ref refuse(const char* what) {
  raise_failure(failure_kind::invalid_argument, "operands", what);
  return {};
}

py_ref none_if(bool done) {
  return done ? py_ref::share(Py_None) : py_ref{};
}

py_ref make_namespace(runtime& self, PyObject* operands) {
  if (PyList_Size(operands) != 3)
    return refuse("a namespace is made of [number, sources, variables]");
  auto number = PyLong_AsUnsignedLongLong(PyList_GetItem(operands, 0));
  if (PyErr_Occurred() != nullptr)
    return {};
  return none_if(
      self.spaces.make(number, PyList_GetItem(operands, 1), PyList_GetItem(operands, 2)));
}

py_ref drop_namespace(runtime& self, PyObject* operands) {
  if (PyList_Size(operands) != 1)
    return refuse("a namespace is dropped by [number]");
  auto number = PyLong_AsUnsignedLongLong(PyList_GetItem(operands, 0));
  if (PyErr_Occurred() != nullptr)
    return {};
  self.spaces.drop(number);
  return py_ref::share(Py_None);
}

py_ref release(runtime& self, PyObject* ids) {
  std::size_t released = 0;
  for (Py_ssize_t i = 0; i < PyList_Size(ids); ++i) {
    Py_ssize_t size = 0;
    auto* id = PyList_GetItem(ids, i);
    const char* text = PyUnicode_Check(id) ? PyUnicode_AsUTF8AndSize(id, &size) : nullptr;
    if (text == nullptr)
      return PyErr_Clear(), refuse("the id of a ref is a str");
    released += self.refs.release({text, static_cast<std::size_t>(size)});
  }
  return py_ref::steal(PyLong_FromSize_t(released));
}

} // namespace

py_ref operate(runtime& self, const bridge::evaluate& request, PyObject* space) {
  auto operands = decode_value(self, request.operands, request.values);
  if (!operands)
    return {};
  if (!PyList_CheckExact(operands.get()))
    return refuse("the operands are a list");
  switch (request.mode) {
    case bridge::run_mode::make_namespace: return make_namespace(self, operands.get());
    case bridge::run_mode::drop_namespace: return drop_namespace(self, operands.get());
    case bridge::run_mode::keep_initial: return none_if(self.spaces.keep_initial());
    case bridge::run_mode::release: return release(self, operands.get());
    default: break;
  }
  return py_ref::steal(PyObject_CallFunction(self.python.operate, "iOOK",
                                             static_cast<int>(request.mode), operands.get(), space,
                                             static_cast<unsigned long long>(request.owner)));
}

} // namespace vivarium::interp
