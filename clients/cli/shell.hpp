// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace vivarium::cli {

/// How a command of a shell ended.
struct shell_result {
  int status = 0; ///< Exit status, or minus the number of the signal that ended it.
  std::string out;
  std::string err;
  bool overflown = false; ///< It wrote more than is taken, and was killed.
};

/// Runs `sh -c command` in a process group of its own, with `input` on its stdin and `variables` in
/// its environment, and waits for its end. Asked every now and then, `wanted` may say that nobody
/// needs it any more: then it and what it started are killed. Throws `std::system_error`. Blocks
/// SIGPIPE in the thread that calls.
[[nodiscard]] shell_result
run_shell(const std::string& command, const std::string& input,
          const std::vector<std::pair<std::string, std::string>>& variables,
          const std::function<bool()>& wanted);

} // namespace vivarium::cli
