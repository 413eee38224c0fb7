// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace vivarium::sandbox {

/// A program of the host's that does something for the daemon.
struct helper_program {
  std::vector<std::string> command;     ///< Its absolute path, and arguments; anybody can see them.
  std::vector<std::string> environment; ///< All of it, "NAME=value"; nobody else can see it.
  std::chrono::milliseconds timeout{0};
};

/// Runs it to its end on the calling thread, which it dies with. It is killed when its time is over
/// or `stop`, a descriptor, is readable. On failure the error has the end of what it wrote to
/// stderr. Blocks.
[[nodiscard]] status run_helper(const helper_program& what, int stop);

} // namespace vivarium::sandbox
