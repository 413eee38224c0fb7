// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "clients/cli/live.hpp"

#include <chrono>
#include <string>

namespace vivarium::cli {

/// What `eval` and `run` were asked for.
struct run_options {
  std::string session; ///< Name or id; empty for a session that ends with the command.
  std::string environment;
  std::chrono::milliseconds timeout{0};
  std::chrono::milliseconds cpu{0};
  bool json = false;
};

// Each command returns the status to end with.

/// Evaluates `source`, or what stdin holds when it is "-".
int eval_command(const server& to, const run_options& how, const std::string& source);
/// Runs a file as a program, showing its output as it comes; "-" is stdin.
int run_command(const server& to, const run_options& how, const std::string& file);
/// Reads, evaluates and prints until the end of input.
int repl_command(const server& to, const run_options& how);
int sessions_command(const server& to);
int close_command(const server& to, const std::string& session);
int health_command(const server& to);

} // namespace vivarium::cli
