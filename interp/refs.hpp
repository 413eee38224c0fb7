// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "interp/py_ref.hpp"
#include "interp/ref_ledger.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vivarium::interp {

/// Objects that are kept for clients, each under one id however often it is sent. Ids tell whether
/// they are of this session and whether they were ever given out, so that a stale one gets an exact
/// answer. Needs the GIL; letting an object go may run tenant code.
class ref_table {
public:
  /// Keeps an object for `owner` (0: the session) and returns its id, "ref_" and base32. An object
  /// that is kept already keeps its id; the longer-lived owner wins, and of several connections all
  /// own it.
  std::string keep(PyObject* object, std::uint64_t owner);
  /// Borrowed object of an id, which counts as a use of it; null with a Python error set: an
  /// OperationError with one of the codes ref_unknown, ref_released, ref_evicted, ref_expired,
  /// ref_of_other_session.
  PyObject* find(std::string_view id);
  /// Lets go of one; false when it was not there.
  bool release(std::string_view id);
  /// Lets go of all of an owner's. Returns how many.
  std::size_t release_owner(std::uint64_t owner);
  /// Bounds: how many are kept at most, and how long after their last use (0: no such limit).
  void configure(std::size_t max_refs, std::uint64_t ttl_ms);
  /// Lets go of what is over the bounds; costs next to nothing when there is nothing.
  void tidy();
  [[nodiscard]] std::size_t size() const noexcept { return ledger_ ? ledger_->size() : 0; }

private:
  // Made when it is first needed: a zygote must not give its token to all its workers.
  ref_ledger& ledger();

  std::optional<ref_ledger> ledger_;
};

} // namespace vivarium::interp
