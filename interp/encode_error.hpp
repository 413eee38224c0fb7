// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "interp/execution.hpp"
#include "interp/runtime.hpp"

#include <string>
#include <string_view>

namespace vivarium::interp {

/// Numbers of vivarium.v1.ErrorKind that the worker itself gives.
enum class error_kind : std::uint32_t { python = 2, memory = 6, limit = 7 };

/// Takes the Python error that is set and appends the body of a vivarium.v1.ExecutionError to
/// `out`; notes in `ended` whether it was the interrupt. Whatever the exception does when it is
/// asked about itself, the result is sound, if need be just its type. Needs the GIL.
void append_current_error(std::string& out, runtime& self, execution& ended);

/// Appends the body of an error that is no exception.
void append_plain_error(std::string& out, error_kind kind, std::string_view type,
                        std::string_view message);

} // namespace vivarium::interp
