// SPDX-License-Identifier: Apache-2.0

// Streams, and what waits inside a worker while others have it.

#include "tests/actors/session_fixture.hpp"

#include <catch2/catch.hpp>

using namespace vivarium;
using namespace vivarium::test;
using fixture = session_fixture;
using words = std::vector<std::string>;

namespace {

// Long enough not to pass by itself: the tests say when it is.
constexpr auto short_deadline = 30min;

} // namespace

TEST_CASE("a stream between two rounds leaves the session to others", "[actors][unit]") {
  fixture f;
  f.grant();
  auto stream = f.stream(2);
  CHECK(f.sent() == words{"evaluate 1"});
  CHECK(f.core->info().state == session_state::busy);
  f.say_items(1, 1);
  CHECK(f.core->info().state == session_state::busy);
  f.say_items(1, 1);
  CHECK(f.core->info().state == session_state::ready);
  CHECK(stream->rounds_done() == 1);
  CHECK(stream->credit_unused() == 0);

  auto other = f.submit("1");
  CHECK(other->now() == execution::state::running);
  f.core->pull(stream, 5);
  CHECK(f.sent() == words{"evaluate 2", "pull 1 5"});
  f.say_result(2);
  CHECK(other->end());
  f.say_items(1, 3);
  f.say_result(1);
  REQUIRE(stream->end());
  CHECK(stream->end()->outcome == verdict::kind::nothing);
  CHECK(f.core->info().state == session_state::ready);
  std::uint64_t items = 0;
  for (const auto& e : stream->log())
    items += e.count;
  CHECK(items == 5);
}

TEST_CASE("a round ends with its bytes, and says what it did not use", "[actors][unit]") {
  fixture f;
  f.grant();
  auto stream = f.stream(100);
  f.say_items(1, 1, bridge::stream_round_bytes - 64);
  CHECK(stream->rounds_done() == 0);
  f.say_items(1, 1, 64);
  CHECK(stream->rounds_done() == 1);
  CHECK(stream->credit_unused() == 98);
  CHECK(f.core->info().state == session_state::ready);
}

TEST_CASE("items that nobody asked for end the session", "[actors][unit]") {
  fixture f;
  f.grant();
  auto stream = f.stream(2);
  SECTION("more than the credit") {
    f.say_items(1, 3);
  }
  SECTION("after the round") {
    f.say_items(1, 2);
    f.say_items(1, 1);
  }
  SECTION("from an execution that is no stream") {
    f.submit("1");
    f.say_items(2, 1);
  }
  SECTION("another count than announced") {
    std::string content;
    protozero::pbf_writer{content}.add_message(1, bridge::text_value("x"));
    std::string out;
    REQUIRE(bridge::append_items(out, {1, 2, content}));
    f.say(out);
  }
  SECTION("texts where values were asked for") {
    std::string content;
    protozero::pbf_writer{content}.add_string(3, "x");
    std::string out;
    REQUIRE(bridge::append_items(out, {1, 1, content}));
    f.say(out);
  }
  CHECK(f.core->info().state == session_state::dead);
  CHECK(f.core->info().cause->what == "protocol");
  CHECK(kind_of(stream) == "session_lost");
}

TEST_CASE("a stream is closed in order, and what was on its way is dropped", "[actors][unit]") {
  fixture f;
  f.grant();
  auto stream = f.stream(100);
  f.say_items(1, 1);
  f.core->pull(stream, 0);
  CHECK(f.sent() == words{"evaluate 1", "pull 1 0"});
  f.say_items(1, 7);
  f.say_result(1);
  REQUIRE(stream->end());
  CHECK(f.core->info().state == session_state::ready);
  std::uint64_t items = 0;
  for (const auto& e : stream->log())
    items += e.count;
  CHECK(items == 1);
}

TEST_CASE("rounds ordered before the worker has the stream follow it", "[actors][unit]") {
  fixture f;
  auto stream = f.stream(2);
  f.core->pull(stream, 3);
  f.grant();
  CHECK(f.sent() == words{"evaluate 1", "pull 1 3"});
  f.say_items(1, 2);
  f.say_items(1, 3);
  CHECK(stream->rounds_done() == 2);
}

TEST_CASE("a stream that brings nothing is interrupted", "[actors][unit]") {
  fixture f;
  f.grant();
  auto stream = f.stream(1, 0ms);
  f.core->on_tick();
  CHECK(f.interrupted == std::vector<std::uint64_t>{1});
  f.say_error(1, error_kind::python, "Interrupted");
  REQUIRE(stream->end());
  CHECK(kind_of(stream) == "timeout");
  CHECK(stream->end()->cause->limit == "idle_timeout_ms");

  auto patient = f.stream(1, 0ms);
  f.say_items(2, 1);
  f.core->on_tick(); // It waits for its client, who may take as long as he likes.
  CHECK(f.interrupted.size() == 1);
}

TEST_CASE("who hogs the worker while others wait in it is stopped by his own deadline",
          "[actors][unit]") {
  settings s;
  s.grace = 0ms;
  fixture f{s};
  f.grant();
  auto waiting = f.submit("await something", 1h);
  f.say_parked(1);
  auto hog = f.submit("while True: pass", short_deadline);
  CHECK(hog->now() == execution::state::running);
  f.core->on_tick(hog->submitted() + short_deadline - 1us);
  CHECK(f.interrupted.empty());
  f.core->on_tick(hog->submitted() + short_deadline);
  CHECK(f.interrupted == std::vector<std::uint64_t>{2});
  f.core->on_tick();
  CHECK(f.killed.size() == 1);
  CHECK(kind_of(hog) == "timeout");
  CHECK(hog->end()->session == session_outcome::lost);
  CHECK(kind_of(waiting) == "session_lost");
}

TEST_CASE("one that waits in the worker is given up without harm to who runs", "[actors][unit]") {
  settings s;
  s.grace = 0ms;
  fixture f{s};
  f.grant();
  auto waiting = f.submit("await something", short_deadline);
  f.say_parked(1);
  auto busy = f.submit("work", 1h);
  f.core->on_tick(waiting->submitted() + short_deadline);
  f.core->on_tick();
  CHECK(kind_of(waiting) == "timeout");
  CHECK(f.killed.empty());
  f.say_result(2);
  CHECK(busy->end()->outcome == verdict::kind::nothing);
  // Now it has the worker for itself and has not let go.
  f.core->on_tick();
  CHECK(f.killed.size() == 1);
}

TEST_CASE("a worker that says twice that something waits breaks the protocol", "[actors][unit]") {
  fixture f;
  f.grant();
  f.submit("await something");
  f.say_parked(1);
  f.say_parked(1);
  CHECK(f.core->info().cause->what == "protocol");
}
