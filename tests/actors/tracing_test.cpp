// SPDX-License-Identifier: Apache-2.0

// What a session tells of requests that are recorded, with a worker that the test plays itself.

#include "tests/actors/session_fixture.hpp"

#include <catch2/catch.hpp>

using namespace vivarium;
using namespace vivarium::test;
using fixture = session_fixture;
using outcome = bridge::host_result::outcome;

namespace {

trace_place recorded() {
  trace_place out;
  out.self.trace = new_trace_id();
  out.self.span = new_span_id();
  out.self.sampled = true;
  out.recorded = true;
  return out;
}

execution_ptr run(fixture& f, const trace_place& at) {
  submission what;
  what.source = "1";
  what.timeout = 1min;
  what.request_id = "req-1";
  what.trace = at;
  return f.submit(std::move(what));
}

std::vector<std::string> names_of(const fixture& f) {
  std::vector<std::string> out;
  for (const auto& [at, name] : f.watch.spans)
    out.push_back(name);
  return out;
}

} // namespace

TEST_CASE("an execution that is recorded tells of its queue and its run", "[actors][unit]") {
  fixture f;
  f.grant();
  auto request = recorded();
  auto at = request.child();
  run(f, at);
  f.say_result(1);
  REQUIRE(names_of(f) == std::vector<std::string>{"queue", "execute"});
  const auto& queue = f.watch.spans[0].first;
  const auto& ran = f.watch.spans[1].first;
  CHECK(ran.self.span == at.self.span); // The one that its code was told of.
  CHECK(ran.parent == request.self.span);
  CHECK(queue.parent == request.self.span);
  CHECK(queue.self.span != ran.self.span);
}

TEST_CASE("one that never begins was only in the queue", "[actors][unit]") {
  fixture f;
  auto at = recorded().child();
  submission what;
  what.source = "1";
  what.trace = at;
  what.timeout = 0ms;
  f.submit(std::move(what));
  f.core->on_tick();
  CHECK(names_of(f) == std::vector<std::string>{"queue"});
}

TEST_CASE("of one that is not recorded nobody tells anything", "[actors][unit]") {
  fixture f;
  f.grant();
  auto at = recorded();
  at.recorded = false;
  run(f, at.child());
  f.say_call(f.call_of(1, 1));
  f.core->on_answered(1, {outcome::value, bridge::int_value(2)});
  f.say_result(1);
  CHECK(f.watch.spans.empty());
}

TEST_CASE("a call to the application is below its execution and can be gone on with",
          "[actors][unit]") {
  fixture f;
  f.grant();
  auto at = recorded().child();
  run(f, at);
  f.say_call(f.call_of(1, 1));
  REQUIRE(f.placed_calls.size() == 1);
  const auto& given = f.placed_calls[0].what;
  CHECK(given.request_id == "req-1");
  CHECK(given.trace.parent == at.self.span);
  CHECK(names_of(f).empty());
  f.core->on_answered(1, {outcome::value, bridge::int_value(2)});
  REQUIRE(names_of(f) == std::vector<std::string>{"host call"});
  CHECK(f.watch.spans[0].first.self.span == given.trace.self.span);
  f.say_call(f.call_of(2, 1));
  f.say_drop(2);
  CHECK(names_of(f).size() == 2);
}

TEST_CASE("a session whose start is recorded tells of it once", "[actors][unit]") {
  session_request wish;
  wish.trace = recorded().child();
  fixture f{{}, wish};
  f.grant();
  CHECK(names_of(f) == std::vector<std::string>{"session start"});
}
