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
  /// As they are counted: a file's are rounded up to 4 KiB, and what is empty, a directory or a
  /// link counts as much, since a disk has to give that, too.
  std::uint64_t bytes = 0;
  std::uint64_t files = 0; ///< Directories and links, too.
};

/// Copies all that is in a directory into another: files, directories and links as such; nothing
/// else. Refuses with `no_space` what is larger than it may be: that is checked before each file,
/// by its size, holes included. Permission bits and times are kept. Blocks.
[[nodiscard]] result<tree_size> copy_tree(const tree_side& from, const tree_side& to,
                                          const tree_size& most);

} // namespace vivarium::sandbox
