// SPDX-License-Identifier: Apache-2.0
#include "interp/refs.hpp"

#include "interp/operation_error.hpp"

#include <vector>

#include <sys/random.h>
#include <time.h>

namespace vivarium::interp {

namespace {

std::uint64_t monotonic_ms() {
  struct timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1000
         + static_cast<std::uint64_t>(now.tv_nsec) / 1'000'000;
}

std::uint64_t random_token() {
  std::uint64_t token = 0;
  while (::getrandom(&token, sizeof(token), 0) != static_cast<ssize_t>(sizeof(token))) {
  }
  return token;
}

void raise_miss(std::string_view id, ref_miss why) {
  auto of_id = std::string{id.substr(0, 64)};
  auto fail = [&](const char* code, const char* what) {
    raise_failure(failure_kind::not_found, code, "the ref " + of_id + what);
  };
  switch (why) {
    case ref_miss::released:
      return fail("ref_released", " was released: get the object again, or release it later");
    case ref_miss::evicted:
      return fail("ref_evicted", " was let go because too many others were used more recently: "
                                 "release refs that are done with, or raise the limit (max_refs)");
    case ref_miss::expired:
      return fail("ref_expired", " was not used for too long (ref_ttl): get the object again");
    case ref_miss::other_session:
      return fail("ref_of_other_session",
                  " is of another session, or of this one before it was restarted");
    default: return fail("ref_unknown", " is not one that this session has given out");
  }
}

// Only when the books are in order: the objects' destructors may come back here.
std::size_t let_go(const std::vector<ref_ledger::object>& gone) {
  for (auto* object : gone)
    Py_DECREF(static_cast<PyObject*>(object));
  return gone.size();
}

} // namespace

ref_ledger& ref_table::ledger() {
  if (!ledger_)
    ledger_.emplace(random_token(), monotonic_ms);
  return *ledger_;
}

std::string ref_table::keep(PyObject* object, std::uint64_t owner) {
  tidy(); // Before, so that what is over its time cannot come to life again.
  bool is_new = false;
  auto id = ledger().keep(object, owner, is_new);
  if (is_new)
    Py_INCREF(object);
  tidy();
  return id;
}

PyObject* ref_table::find(std::string_view id) {
  auto found = ledger().find(id);
  if (found.why == ref_miss::expired)
    tidy();
  if (found.found == nullptr)
    raise_miss(id, found.why);
  return static_cast<PyObject*>(found.found);
}

bool ref_table::release(std::string_view id) {
  auto* gone = ledger().release(id);
  Py_XDECREF(static_cast<PyObject*>(gone));
  return gone != nullptr;
}

std::size_t ref_table::release_owner(std::uint64_t owner) {
  return let_go(ledger().release_owner(owner));
}

void ref_table::configure(std::size_t max_refs, std::uint64_t ttl_ms) {
  ledger().configure(max_refs, ttl_ms);
  tidy();
}

void ref_table::tidy() {
  if (ledger_)
    let_go(ledger_->tidy());
}

} // namespace vivarium::interp
