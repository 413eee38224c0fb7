// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace vivarium::cli {

/// Hands `vivarium keys ...` to the daemon's program, which knows the key file and the
/// configuration that names it; no daemon has to run. Returns only by an exception.
[[noreturn]] void run_keys(char** argv);

} // namespace vivarium::cli
