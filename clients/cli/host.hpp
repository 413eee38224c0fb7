// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vivarium/client.hpp>

#include <string>
#include <vector>

namespace vivarium::cli {

/// What `host` offers.
struct host_request {
  std::string server;  ///< URL; empty for the usual place.
  std::string session; ///< Id or name of the session whose calls are answered; empty for all.
  std::vector<std::string> functions; ///< Each NAME=COMMAND.
};

/// Offers functions over a connection, each NAME=COMMAND, until what this returns is gone; nothing
/// when there are none. Throws `invalid_argument_error`.
[[nodiscard]] serving offer(const client& on, const std::vector<std::string>& functions,
                            const std::string& session = {});

/// Answers calls of Python's by commands of the shell, until Ctrl-C or the end of the connection.
/// Each gets {"args": [...], "kwargs": {...}} on stdin and writes its answer, JSON or nothing, to
/// stdout; when it does not end with 0, the call fails with what it wrote to stderr. Returns the
/// status to end with, or throws what `show_failure` takes.
int host_command(const host_request& how);

} // namespace vivarium::cli
