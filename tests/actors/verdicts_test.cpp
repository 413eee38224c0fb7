// SPDX-License-Identifier: Apache-2.0
#include "actors/verdicts.hpp"
#include "bridge/validate.hpp"

#include <catch2/catch.hpp>

#include <csignal>

using namespace vivarium;

TEST_CASE("the daemon's own errors are valid on the wire", "[actors][unit]") {
  auto encoded = make_error(error_kind::session_lost, "gone");
  CHECK(bridge::validate_error(encoded));
  CHECK(kind_of_error(encoded) == error_kind::session_lost);
}

TEST_CASE("what the daemon says goes before what the worker says", "[actors][unit]") {
  auto encoded = make_error(error_kind::python, "KeyboardInterrupt");
  override_error(encoded, error_kind::timeout, "deadline");
  CHECK(bridge::validate_error(encoded));
  CHECK(kind_of_error(encoded) == error_kind::timeout);
}

TEST_CASE("an error that cannot be read has no kind", "[actors][unit]") {
  CHECK(kind_of_error("\xff\xff\xff") == error_kind::none);
  CHECK(kind_of_error("") == error_kind::none);
  CHECK(kind_of_error("\x08\x63") == error_kind::none); // kind 99
}

TEST_CASE("a wait status tells how a worker ended", "[actors][unit]") {
  worker_end end{.worker = 1, .known = true, .wait_status = 3 << 8};
  CHECK(cause_of(end).what == "exited");
  CHECK(cause_of(end).observed == 3);
  end.wait_status = SIGSEGV;
  CHECK(cause_of(end).what == "signal");
  CHECK(cause_of(end).limit == "SIGSEGV");
  end.wait_status = SIGSYS;
  CHECK(cause_of(end).what == "seccomp");
  end.known = false;
  CHECK(cause_of(end).what == "jail");
}
