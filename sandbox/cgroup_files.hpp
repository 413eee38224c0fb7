// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"

#include <string>
#include <string_view>

namespace vivarium::sandbox {

/// Reads a file of a cgroup or of /proc, at most 256 KiB.
[[nodiscard]] result<std::string> read_group_file(const std::string& folder, std::string_view name);

/// Writes one value, as the kernel's interfaces want it: with one call.
status write_group_file(const std::string& folder, std::string_view name, std::string_view value);

} // namespace vivarium::sandbox
