// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "interp/py_ref.hpp"

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

namespace vivarium::interp {

/// Source in executable form. Statements and the last expression are compiled apart, because only
/// the latter has a value; both are code objects, either may be missing.
struct cell {
  py_ref statements;
  py_ref value;    ///< Its value is the result.
  py_ref filename; ///< As tracebacks show it.
  bool is_async = false;
};

/// Compiled cells of this worker, least recently used out first. Needs the GIL.
class code_cache {
public:
  /// Returns the cell, or nothing. It stays valid until the next `add`.
  const cell* find(std::string_view source, std::string_view filename, std::uint32_t first_line);

  /// Keeps a cell. Calls `forget(filename)` for each one that has to go, with what Python errors it
  /// raises ignored.
  const cell* add(std::string_view source, std::string_view filename, std::uint32_t first_line,
                  cell compiled, PyObject* forget);

private:
  struct entry {
    std::string key;
    cell compiled;
  };

  void evict(PyObject* forget);
  std::string_view key_of(std::string_view source, std::string_view filename,
                          std::uint32_t first_line);

  std::list<entry> entries_; // Most recently used first.
  std::unordered_map<std::string_view, std::list<entry>::iterator> index_;
  std::size_t bytes_ = 0;
  std::string scratch_;
};

} // namespace vivarium::interp
