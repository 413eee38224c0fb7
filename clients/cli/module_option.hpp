// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vivarium/options.hpp>

#include <string_view>

namespace vivarium::cli {

/// Reads NAME=FUNCTION,FUNCTION...: a module of the application's. Asynchronous functions stand
/// after "async "; "!" before the name puts it in the place of a module that is there already.
/// Throws `invalid_argument_error`.
[[nodiscard]] host_module parse_module(std::string_view text);

/// Reads a severity, e.g. "warning". Throws `invalid_argument_error`; empty is unset.
[[nodiscard]] log_level parse_level(std::string_view text);

} // namespace vivarium::cli
