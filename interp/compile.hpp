// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "interp/code_cache.hpp"
#include "interp/python.hpp"

#include <cstdint>
#include <string_view>

namespace vivarium::interp {

/// What compiling needs of Python. Bound once, before tenant code exists, and never freed.
struct compiler_parts {
  PyObject* whole = nullptr;      ///< (source, filename, first_line) -> (statements, value)
  PyObject* remember = nullptr;   ///< (source, filename, first_line): keeps its lines
  PyObject* line_cache = nullptr; ///< linecache.cache, where tracebacks find source lines
  PyObject* builtin = nullptr;    ///< compile
  PyObject* flags = nullptr;      ///< an int: top-level await is allowed
  PyObject* exec_mode = nullptr;
  PyObject* eval_mode = nullptr;

  /// Makes the constants; false with a Python error set.
  bool make_constants();
};

/// Source (UTF-8) to code objects: CPython's own semantics, and the value of a cell. Without a
/// name the file gets one that tells cells apart. False: a Python error is set, for which the long
/// way has found the right position.
bool compile_cell(const compiler_parts& python, std::string_view source, std::string_view filename,
                  std::uint32_t first_line, cell& made);

/// The quick way, without a tree of Python objects. False without an error: this cell has to go the
/// long way; false with one: give up.
bool compile_split(const compiler_parts& python, std::string_view source, PyObject* filename,
                   std::uint32_t first_line, cell& made);

} // namespace vivarium::interp
