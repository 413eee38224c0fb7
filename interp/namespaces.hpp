// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "interp/py_ref.hpp"

#include <cstddef>
#include <cstdint>
#include <map>

namespace vivarium::interp {

/// The symbol tables of a session, by the numbers that the daemon gives them. 0 is the base one,
/// the dict of `__main__`. Each has `__builtins__` and `__name__` and nothing else of ours; what is
/// copied between them is the binding, not the object. Needs the GIL. Failures set a Python error.
class namespaces {
public:
  /// Makes `globals` the base one, borrowed for ever; returns the one before.
  PyObject* use_base(PyObject* globals) noexcept;

  /// The dict to run in: an existing one, or for `bridge::scratch_namespace` a new one that nobody
  /// else knows. Null: namespace_not_found.
  py_ref enter(std::uint64_t number);

  /// Makes one from `sources`, a list of tuples (number, only, except), later ones over earlier
  /// ones; without any, from what `keep_initial` kept. Then binds `variables`, a dict or None.
  bool make(std::uint64_t number, PyObject* sources, PyObject* variables);
  /// Forgets one. Again is no error. The objects in it may run tenant code as they go.
  void drop(std::uint64_t number);
  /// Lets a namespace go that nobody else will enter. Functions that were defined in it refer to
  /// it, so that only the garbage collector can free it: that runs now, at most a tenth of the
  /// time.
  void let_go(py_ref space);
  /// New namespaces begin with what the base one has now.
  bool keep_initial();

  /// How many there are, the base one included.
  [[nodiscard]] std::size_t size() const noexcept { return spaces_.size() + 1; }

private:
  py_ref fresh();

  PyObject* base_ = nullptr;
  py_ref initial_;
  std::map<std::uint64_t, py_ref> spaces_;
  std::uint64_t collect_after_ns_ = 0;
};

/// Binds the entries of `variables` in `space`. False: a Python error is set, e.g. because a key is
/// no str; then nothing was bound.
bool bind_variables(PyObject* space, PyObject* variables);

} // namespace vivarium::interp
