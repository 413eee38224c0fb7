// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "interp/py_ref.hpp"
#include "interp/runtime.hpp"
#include "interp/value_fields.hpp"

#include <cstdint>
#include <string_view>

namespace vivarium::interp {

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
