// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "interp/python.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

namespace vivarium::interp {

/// How an encoding ended.
enum class encoded {
  ok,
  too_large, ///< Over the limit of bytes.
  too_many,  ///< Over the limit of parts.
  too_deep,  ///< Containers nest too deeply, perhaps for ever.
  failed,    ///< A Python error is set.
};

/// Appends the body of a vivarium.v1.Value to `out`; on anything but `ok` what was appended is
/// garbage. Runs tenant code only for the repr of objects that have no other form, and survives
/// what it does. Needs the GIL.
encoded append_value(std::string& out, PyObject* object, std::size_t max_bytes);

/// Appends UTF-8 of at most `max_characters` of a str, with lone surrogates escaped. False: a
/// Python error is set.
bool append_text(std::string& out, PyObject* text, Py_ssize_t max_characters);

} // namespace vivarium::interp
