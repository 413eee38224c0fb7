// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vivarium/options.hpp>

#include <string>

namespace vivarium::cli {

/// Takes a limit as it stands on the command line: "memory=64MiB", "cpu=10s", "threads=4". Throws
/// `invalid_argument_error` with the names that there are.
void add_limit(session_limits& to, const std::string& text);

} // namespace vivarium::cli
