// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "interp/py_ref.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace vivarium::interp {

// What can be said of any object. Tenant code may run, and whatever it does but an interrupt is
// swallowed. Needs the GIL.

/// Appends UTF-8 of at most `max_characters` of a str, with lone surrogates escaped. False: a
/// Python error is set.
bool append_text(std::string& out, PyObject* text, Py_ssize_t max_characters);

/// Appends the qualified name of a type, with its module unless that is `builtins`.
void append_type_name(std::string& out, PyTypeObject* type);

/// The repr of an object, or what stands for it when there is none to be had. Null only when the
/// execution is being interrupted.
py_ref safe_repr(PyObject* object);

/// The `len` of an object, if it has one. `interrupted` is set when the execution is being
/// interrupted.
std::optional<std::uint64_t> safe_length(PyObject* object, bool& interrupted);

} // namespace vivarium::interp
