// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sandbox/workspace.hpp"

#include <cstdint>

namespace vivarium::sandbox {

/// A directory that is copied from or to: a session's, with its owner's rights, or one of the
/// daemon's own.
struct tree_side {
  int folder = -1;                  ///< Open.
  const workspace* owner = nullptr; ///< Null: the daemon's.
};

/// What a tree holds, and what it may.
struct tree_size {
  std::uint64_t bytes = 0;
  std::uint64_t files = 0; ///< Directories and links, too.
};

/// Copies all that is in a directory into another: files, directories and links as such; nothing
/// else. Refuses with `no_space` what is larger than it may be: that is checked before each file,
/// by its size, holes included. Permission bits and times are kept. Blocks.
[[nodiscard]] result<tree_size> copy_tree(const tree_side& from, const tree_side& to,
                                          const tree_size& most);

} // namespace vivarium::sandbox
