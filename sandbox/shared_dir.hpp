// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"

#include <cstddef>
#include <string>

namespace vivarium::sandbox {

/// A directory of the host that all workers of a jail see, at the same path. What is in it belongs
/// to whom it belongs on the host: a worker is a stranger to it.
struct shared_dir {
  std::string path;
  bool writable = false;

  bool operator==(const shared_dir&) const = default;
};

inline constexpr std::size_t most_shared_dirs = 64;

/// Refuses, with the reason, a path that is not plain (absolute, without "..", "." and empty parts)
/// or that is, holds or lies in a place that the jail has of its own. Reads nothing.
[[nodiscard]] status check_shared_dir(const std::string& path);

} // namespace vivarium::sandbox
