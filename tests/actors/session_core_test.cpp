// SPDX-License-Identifier: Apache-2.0

// The session's state machine against a worker that the test plays itself, over real pipes: above
// all the worker that does what no honest one would.

#include "tests/actors/session_fixture.hpp"

#include <catch2/catch.hpp>

using namespace vivarium;
using namespace vivarium::test;
using fixture = session_fixture;

TEST_CASE("executions wait for the worker and are answered in turn", "[actors][unit]") {
  fixture f;
  auto first = f.submit("1");
  auto second = f.submit("2");
  CHECK(first->now() == execution::state::queued);
  f.grant();
  CHECK(first->now() == execution::state::running);
  CHECK(second->now() == execution::state::queued);
  f.say_result(1);
  REQUIRE(first->end());
  CHECK(first->end()->outcome == verdict::kind::nothing);
  CHECK(second->now() == execution::state::running);
  f.say_result(2);
  CHECK(f.core->info().state == session_state::ready);
  CHECK(f.core->info().executions == 2);
}

TEST_CASE("who waits for a session to start has his own deadline", "[actors][unit]") {
  fixture f;
  auto waiting = f.submit("1", 0ms);
  f.core->on_tick();
  REQUIRE(waiting->end());
  CHECK(kind_of(waiting) == "timeout");
  CHECK(f.core->info().state == session_state::starting);
}

TEST_CASE("a full queue refuses with its numbers", "[actors][unit]") {
  settings s;
  s.limits[limit::queue] = 2;
  fixture f{s};
  f.submit("1");
  f.submit("2");
  CHECK(f.accepted);
  auto third = f.submit("3");
  CHECK_FALSE(f.accepted);
  REQUIRE(third->end()); // or it would count as queued for ever
  CHECK(kind_of(third) == "busy");
  CHECK(f.refusal.code == errc::limit_exceeded);
  CHECK(f.refusal.detail.find("maximum is 2") != std::string::npos);
}

TEST_CASE("a worker that breaks the protocol is killed and its session says why",
          "[actors][unit]") {
  fixture f;
  f.grant();
  auto e = f.submit("1");
  std::string bytes;
  SECTION("a result for another execution") {
    bridge::finished forged;
    forged.execution = 99;
    REQUIRE(bridge::append_finished(bytes, forged));
  }
  SECTION("output for an execution that never was") {
    REQUIRE(bridge::append_output(bytes, {.execution = 2, .is_stderr = false, .text = "x"}));
  }
  SECTION("a second greeting") {
    REQUIRE(bridge::append_hello(bytes, {.protocol = 1, .python_version = "3"}));
  }
  SECTION("a request from the wrong side") {
    bridge::evaluate order;
    order.execution = 1;
    order.source = "1";
    REQUIRE(bridge::append_evaluate(bytes, order));
  }
  SECTION("a frame of 4 GiB") {
    bytes = std::string("\xff\xff\xff\xff\x14\0\0\0", 8);
  }
  SECTION("an unknown type") {
    bytes = std::string("\x01\0\0\0\x7f\0\0\0x", 9);
  }
  SECTION("a body that is no message") {
    bytes = std::string("\x02\0\0\0\x14\0\0\0\xff\xff", 10);
  }
  SECTION("a value that is no value") {
    bridge::finished bad;
    bad.execution = 1;
    bad.kind = bridge::finished::outcome::value;
    bad.content = "\xff\xff\xff";
    REQUIRE(bridge::append_finished(bytes, bad));
  }
  SECTION("an error that is no error") {
    bridge::finished bad;
    bad.execution = 1;
    bad.kind = bridge::finished::outcome::error;
    bad.content = "\x0a\xff";
    REQUIRE(bridge::append_finished(bytes, bad));
  }
  f.say(bytes);
  REQUIRE(e->end());
  CHECK(kind_of(e) == "session_lost");
  CHECK(e->end()->cause->what == "protocol");
  CHECK(e->end()->session == session_outcome::lost);
  CHECK(f.killed == std::vector<std::uint64_t>{7});
  REQUIRE(f.ended.size() == 1);
  CHECK(f.ended[0].cause->what == "protocol");
  CHECK_FALSE(f.stopped); // not before nothing of the worker is left
  f.core->on_gone(7);
  CHECK(f.stopped);
}

TEST_CASE("a second result for the same execution ends the session", "[actors][unit]") {
  fixture f;
  f.grant();
  auto e = f.submit("1");
  f.say_result(1);
  REQUIRE(e->end());
  f.say_result(1);
  CHECK(f.core->info().state == session_state::dead);
}

TEST_CASE("a deadline interrupts softly and the session is kept", "[actors][unit]") {
  fixture f;
  f.grant();
  auto e = f.submit("while True: pass", 0ms);
  // It was sent before the clock moved on, or never started: both are the deadline's doing.
  f.core->on_tick();
  if (!e->end()) {
    CHECK(f.interrupted == std::vector<std::uint64_t>{1});
    CHECK(f.core->info().state == session_state::interrupting);
    f.say_result(1); // even a success that comes too late is a timeout
  }
  REQUIRE(e->end());
  CHECK(kind_of(e) == "timeout");
  CHECK(e->end()->cause->what == "deadline");
  CHECK(e->end()->session == session_outcome::kept);
  CHECK(f.killed.empty());
}

TEST_CASE("who does not stop within the grace period is killed", "[actors][unit]") {
  settings s;
  s.grace = 0ms;
  fixture f{s};
  f.grant();
  auto e = f.submit("stubborn");
  auto waiting = f.submit("next");
  bool was_there = false;
  f.core->cancel(e, stop_mode::interrupt, reply<bool>{[&](result<bool> r) { was_there = *r; }});
  CHECK(was_there);
  f.core->on_tick();
  REQUIRE(e->end());
  CHECK(kind_of(e) == "cancelled");
  CHECK(e->end()->session == session_outcome::lost);
  CHECK(kind_of(waiting) == "session_lost");
  CHECK(f.killed == std::vector<std::uint64_t>{7});
}

TEST_CASE("a queued execution is cancelled without touching the worker", "[actors][unit]") {
  fixture f;
  auto e = f.submit("1");
  f.core->cancel(e, stop_mode::interrupt, reply<bool>{});
  REQUIRE(e->end());
  CHECK(kind_of(e) == "cancelled");
  CHECK(f.interrupted.empty());
}

TEST_CASE("a worker's death is told with the reaper's word", "[actors][unit]") {
  fixture f;
  f.grant();
  auto running = f.submit("1");
  auto queued = f.submit("2");
  f.answers.reset();
  f.core->on_input(); // end of file alone says nothing yet
  CHECK_FALSE(running->end());
  f.core->on_exited({.worker = 7, .known = true, .wait_status = 11});
  REQUIRE(running->end());
  CHECK(running->end()->cause->limit == "SIGSEGV");
  CHECK(running->end()->cause->enforced_by == enforcer::kernel);
  REQUIRE(queued->end());
  CHECK(kind_of(queued) == "session_lost");
  f.submit("3");
  CHECK(f.refusal.code == errc::session_lost);
}

TEST_CASE("what a dying worker said last still counts", "[actors][unit]") {
  fixture f;
  f.grant();
  auto e = f.submit("1");
  std::string out;
  bridge::finished message;
  message.execution = 1;
  REQUIRE(bridge::append_finished(out, message));
  REQUIRE(::write(f.answers.get(), out.data(), out.size()) == ssize_t(out.size()));
  f.answers.reset();
  f.core->on_exited({.worker = 7, .known = true, .wait_status = 0});
  REQUIRE(e->end());
  CHECK(e->end()->outcome == verdict::kind::nothing);
  CHECK(f.core->info().state == session_state::dead);
}

TEST_CASE("closing answers at once and the worker is killed", "[actors][unit]") {
  fixture f;
  f.grant();
  auto e = f.submit("1");
  bool closed = false;
  f.core->close(reply<done>{[&](result<done> r) { closed = bool{r}; }}, "closed");
  CHECK(closed);
  REQUIRE(e->end());
  CHECK(f.killed == std::vector<std::uint64_t>{7});
  REQUIRE(f.ended.size() == 1);
  CHECK_FALSE(f.stopped);
  f.core->on_gone(7);
  CHECK(f.stopped);
}

TEST_CASE("a session closed before it has a worker leaves the pool's queue", "[actors][unit]") {
  fixture f;
  f.core->close(reply<done>{}, "closed");
  CHECK(f.left_pool == 1);
  CHECK(f.stopped);
}

TEST_CASE("output of other bytes than UTF-8 is mended and bounded", "[actors][unit]") {
  settings s;
  s.limits[limit::output] = 1000;
  fixture f{s};
  f.grant();
  auto e = f.submit("1");
  std::string out;
  REQUIRE(bridge::append_output(out, {.execution = 1, .is_stderr = false, .text = "a\xff z"}));
  f.say(out);
  CHECK(e->log().back().data == "a\xef\xbf\xbd z");
  // An honest worker stops at the limit; this one does not.
  std::string flood;
  std::string chunk(16 * 1024, 'x');
  for (int n = 0; n < 8; ++n) {
    flood.clear();
    REQUIRE(bridge::append_output(flood, {.execution = 1, .is_stderr = false, .text = chunk}));
    f.say(flood);
  }
  f.say_result(1);
  REQUIRE(e->end());
  CHECK(e->end()->output_truncated);
  CHECK(e->log_bytes() < 80 * 1024);
}
