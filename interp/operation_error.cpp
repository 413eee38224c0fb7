// SPDX-License-Identifier: Apache-2.0
#include "interp/operation_error.hpp"

#include "interp/py_ref.hpp"
#include "interp/runtime.hpp"

namespace vivarium::interp {

void raise_failure(failure_kind kind, const char* code, const std::string& message) {
  auto* type = the_runtime().python.operation_error;
  // Text of clients may be anything: what is not UTF-8 is replaced.
  auto text = py_ref::steal(PyUnicode_DecodeUTF8(
      message.data(), static_cast<Py_ssize_t>(message.size()), "backslashreplace"));
  auto made = text ? py_ref::steal(
                  PyObject_CallFunction(type, "isO", static_cast<int>(kind), code, text.get()))
                   : py_ref{};
  if (made)
    PyErr_SetObject(type, made.get());
}

} // namespace vivarium::interp
