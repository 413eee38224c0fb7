// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"

#include <string>
#include <vector>

namespace vivarium::sandbox {

/// Returns the directories outside /usr that an interpreter needs in sight: its prefix, that of
/// what it links to, and for a virtual environment that of its base installation. Reads the file
/// system; the answer is the same outside the jail and inside. Refuses places that the jail uses
/// itself.
result<std::vector<std::string>> interpreter_prefixes(const std::string& python);

/// Returns the directory part of a path.
[[nodiscard]] std::string parent_of(const std::string& path);

/// Returns the content of a small file, at most 1 MiB of it; "" when it cannot be read.
[[nodiscard]] std::string read_small(const std::string& path);

} // namespace vivarium::sandbox
