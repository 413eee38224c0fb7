// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace vivarium::interp {

/// A cell cut before its last line that begins in column 0. When what precedes and what follows
/// compile each by itself, that is how CPython reads the whole: its grammar puts one statement
/// after the other.
struct cut {
  std::size_t at = 0;        ///< Where the rest begins; before it are statements only.
  bool is_statement = false; ///< The rest is no expression: it is run, and has no value.
};

/// Finds the cut, or nothing when a cell cannot be cut like that: the long way, over a tree, is for
/// those. Knows nothing of Python but how lines begin.
std::optional<cut> find_cut(std::string_view source) noexcept;

} // namespace vivarium::interp
