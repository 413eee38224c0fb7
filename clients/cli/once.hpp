// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace vivarium::cli {

/// Starts a daemon, runs this program again with `arguments` against it, and stops the daemon.
/// Returns the status of the command. A signal ends the command first and the daemon after it.
int run_once(const std::vector<std::string>& arguments);

} // namespace vivarium::cli
