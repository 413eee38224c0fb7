// SPDX-License-Identifier: Apache-2.0
#include "interp/object_text.hpp"

#include "interp/runtime.hpp"

namespace vivarium::interp {

namespace {

bool is_interrupt() {
  return PyErr_ExceptionMatches(the_runtime().interrupt.type()) != 0;
}

} // namespace

bool append_text(std::string& out, PyObject* text, Py_ssize_t max_characters) {
  auto whole = PyUnicode_GetLength(text) > max_characters
                   ? py_ref::steal(PyUnicode_Substring(text, 0, max_characters))
                   : py_ref::share(text);
  if (!whole)
    return false;
  auto bytes = py_ref::steal(PyUnicode_AsEncodedString(whole.get(), "utf-8", "backslashreplace"));
  char* data = nullptr;
  Py_ssize_t size = 0;
  if (!bytes || PyBytes_AsStringAndSize(bytes.get(), &data, &size) != 0)
    return false;
  out.append(data, static_cast<std::size_t>(size));
  return true;
}

void append_type_name(std::string& out, PyTypeObject* type) {
  auto module =
      py_ref::steal(PyObject_GetAttrString(reinterpret_cast<PyObject*>(type), "__module__"));
  if (module && PyUnicode_Check(module.get())
      && PyUnicode_CompareWithASCIIString(module.get(), "builtins") != 0
      && append_text(out, module.get(), 256))
    out += '.';
  auto name = py_ref::steal(PyType_GetQualName(type));
  if (!name || !append_text(out, name.get(), 256))
    out += "object";
  PyErr_Clear();
}

py_ref safe_repr(PyObject* object) {
  auto repr = py_ref::steal(PyObject_Repr(object));
  if (repr)
    return repr;
  if (is_interrupt())
    return {};
  PyErr_Clear();
  auto name = py_ref::steal(PyType_GetName(Py_TYPE(object)));
  return py_ref::steal(PyUnicode_FromFormat("<%U object whose repr fails>", name.get()));
}

std::optional<std::uint64_t> safe_length(PyObject* object, bool& interrupted) {
  if (PyType_GetSlot(Py_TYPE(object), Py_sq_length) == nullptr
      && PyType_GetSlot(Py_TYPE(object), Py_mp_length) == nullptr)
    return std::nullopt;
  auto length = PyObject_Size(object);
  if (length >= 0)
    return static_cast<std::uint64_t>(length);
  interrupted = is_interrupt();
  if (!interrupted)
    PyErr_Clear();
  return std::nullopt;
}

} // namespace vivarium::interp
