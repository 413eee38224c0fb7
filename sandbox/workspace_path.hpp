// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace vivarium::sandbox {

inline constexpr std::size_t most_path_bytes = 4'096;
inline constexpr std::size_t most_name_bytes = 255;
inline constexpr std::size_t most_path_parts = 128;

/// Checks a path that a client gave for something in a workspace and returns it relative to the
/// workspace; empty for the workspace itself. Allowed are relative paths and those below
/// "/workspace"; refused, each with its reason, are "..", ".", empty parts, NUL, what is too long
/// and what lies elsewhere. What the path leads to is for the kernel to say, see `workspace`.
[[nodiscard]] result<std::string> workspace_path(std::string_view given);

/// Directory of a path, and the name in it. The path is not empty.
struct split_path {
  std::string folder;
  std::string name;
};
[[nodiscard]] split_path split(const std::string& path);

/// Puts a path back together.
[[nodiscard]] std::string join(std::string_view folder, std::string_view name);

} // namespace vivarium::sandbox
