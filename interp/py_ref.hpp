// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "interp/python.hpp"

#include <utility>

namespace vivarium::interp {

/// Owns one reference to a Python object, or nothing. Needs the GIL whenever it holds something.
class py_ref {
public:
  py_ref() noexcept = default;
  py_ref(py_ref&& other) noexcept : object_{other.release()} {}
  py_ref& operator=(py_ref&& other) noexcept {
    // The old object goes last: its destructor may run Python code that sees this reference.
    auto* old = std::exchange(object_, other.release());
    Py_XDECREF(old);
    return *this;
  }
  ~py_ref() { Py_XDECREF(object_); }

  /// Takes over a new reference, e.g. the result of a call.
  static py_ref steal(PyObject* object) noexcept { return py_ref{object}; }
  /// Adds a reference to a borrowed object.
  static py_ref share(PyObject* object) noexcept {
    Py_XINCREF(object);
    return py_ref{object};
  }

  [[nodiscard]] PyObject* get() const noexcept { return object_; }
  [[nodiscard]] PyObject* release() noexcept { return std::exchange(object_, nullptr); }
  explicit operator bool() const noexcept { return object_ != nullptr; }

private:
  explicit py_ref(PyObject* object) noexcept : object_{object} {}
  PyObject* object_ = nullptr;
};

} // namespace vivarium::interp
