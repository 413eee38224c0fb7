// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace vivarium {

/// Numbers equal vivarium.v1.FilesOutcome.
enum class files_outcome : std::uint8_t { none, kept, rolled_back, lost, damaged };

/// What an execution did to its session's files; part of its verdict.
struct file_report {
  std::vector<std::string> added; ///< Paths as bytes, like all of them.
  std::vector<std::string> modified;
  std::vector<std::string> deleted;
  bool truncated = false;
  files_outcome outcome = files_outcome::none; ///< Of a transaction.
  std::string problem;                         ///< Why it is `damaged`.
};

} // namespace vivarium
