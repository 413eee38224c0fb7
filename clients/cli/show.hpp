// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vivarium/stream.hpp>

#include <exception>
#include <string_view>

namespace vivarium::cli {

/// What the command ends with; scripts rely on the numbers.
enum exit_status : int {
  exit_ok = 0,
  exit_python_error = 1,
  exit_usage = 2,         ///< Wrong arguments, or a request that the daemon refused.
  exit_unreachable = 3,   ///< No daemon, or one that cannot serve.
  exit_deadline = 124,    ///< As coreutils' timeout does.
  exit_interrupted = 130, ///< Cancelled by Ctrl-C.
  exit_worker_died = 137, ///< The worker died or was killed, whatever the signal.
};

/// Says on stderr why a request failed; returns the status to end with.
int show_failure(const std::exception& why);

/// Writes a result or an error as a person expects it: the value alone on stdout, nothing for None;
/// tracebacks and what stopped the code on stderr. Returns the status to end with.
int show_outcome(const verdict& of);

/// The same with its output before it.
int show_whole(const verdict& of);

/// Writes the parts of a display that a terminal can show.
void show_display(const display& what);

/// Writes what code logged to stderr.
void show_record(const event::log_record& what);

/// Writes bytes to stdout or stderr at once.
void write_out(std::string_view text);
void write_err(std::string_view text);

} // namespace vivarium::cli
