// SPDX-License-Identifier: Apache-2.0
#include "tests/actors/session_fixture.hpp"

#include <csignal>

using namespace vivarium;
using namespace vivarium::test;

namespace {

settings breaking_at_once() {
  settings out;
  out.breaker.failures = 1;
  return out;
}

struct breaking_fixture : session_fixture {
  breaking_fixture() : session_fixture{breaking_at_once()} {}
  /// The worker is killed by SIGSEGV.
  void crash() {
    worker_end end{.worker = 7, .known = true};
    end.wait_status = SIGSEGV;
    core->on_exited(end);
  }
  bool counted() { return !starts->enter(where, "default"); }
};

} // namespace

TEST_CASE_METHOD(session_fixture, "a session owes an answer while it runs something",
                 "[actors][unit]") {
  grant();
  REQUIRE(beating);
  REQUIRE(beating->of != nullptr);
  CHECK_FALSE(beating->of->owes());
  auto running = submit("1");
  CHECK(beating->of->owes());
  auto heard = beating->of->heard();
  say_call(call_of(1, 1));
  CHECK(beating->of->heard() > heard);
  CHECK_FALSE(beating->of->owes()); // It waits for the application.
  core->on_answered(1, {bridge::host_result::outcome::value, bridge::int_value(1)});
  CHECK(beating->of->owes());
  say_parked(1);
  CHECK(beating->of->owes());
  say_result(1);
  CHECK_FALSE(beating->of->owes());
}

TEST_CASE_METHOD(session_fixture, "a stream that its client does not pull owes nothing",
                 "[actors][unit]") {
  grant();
  auto running = stream(2);
  CHECK(beating->of->owes());
  say_items(1, 2);
  CHECK_FALSE(beating->of->owes());
}

TEST_CASE_METHOD(session_fixture, "an answer to a ping is a frame without a body",
                 "[actors][unit]") {
  grant();
  submit("1");
  beating->of->ask();
  CHECK(interrupted == std::vector<std::uint64_t>{0});
  std::string pong;
  auto start = bridge::begin_frame(pong, bridge::frame_type::pong);
  REQUIRE(bridge::end_frame(pong, start));
  beating->of->ask();
  auto heard = beating->of->heard();
  say(pong);
  CHECK(beating->of->heard() > heard);
  say_result(1);
  say(pong); // Late, but asked for.
  CHECK(killed.empty());
  SECTION("one that nobody asked for is a forgery") {
    say(pong);
    CHECK(core->info().cause->what == "protocol");
    return;
  }
  beating->of->ask();
  std::string forged;
  start = bridge::begin_frame(forged, bridge::frame_type::pong);
  forged += "x";
  REQUIRE(bridge::end_frame(forged, start));
  say(forged);
  CHECK(core->info().cause->what == "protocol");
}

TEST_CASE_METHOD(session_fixture, "a worker that does not answer is killed", "[actors][unit]") {
  grant();
  auto running = submit("1");
  auto held = beating;
  held->of->stopped(cause{"unresponsive", "heartbeats", 30'000, 32'000, enforcer::daemon});
  CHECK(killed == std::vector<std::uint64_t>{7});
  REQUIRE(running->end());
  CHECK(running->end()->cause->what == "unresponsive");
  CHECK(held->of == nullptr); // Nobody looks at it any more.
}

TEST_CASE_METHOD(breaking_fixture, "a death before anything ran counts against the environment",
                 "[actors][unit]") {
  grant();
  crash();
  CHECK(counted());
}

TEST_CASE_METHOD(breaking_fixture, "a death by a client's execution does not count",
                 "[actors][unit]") {
  grant();
  submit("crash()");
  crash();
  CHECK_FALSE(counted());
}

TEST_CASE_METHOD(breaking_fixture, "a death after an execution does not count", "[actors][unit]") {
  grant();
  submit("1");
  say_result(1);
  crash();
  CHECK_FALSE(counted());
}

TEST_CASE_METHOD(breaking_fixture, "an execution that was answered without its worker proves it",
                 "[actors][unit]") {
  grant();
  namespace_request room;
  room.name = "room";
  core->create_namespace(room, reply<namespace_info>{}); // It has the worker, and is internal.
  auto late = submit("1", 1s);
  core->on_tick(clock_type::now() + 2s);
  core->on_tick(clock_type::now() + config.grace + 3s);
  REQUIRE(late->end());
  say_result(1);
  CHECK(killed.empty());
  say_result(2);
  crash();
  CHECK_FALSE(counted());
}

TEST_CASE_METHOD(breaking_fixture, "a refusal by the pool is the pool's to count",
                 "[actors][unit]") {
  core->on_refused(error{errc::sandbox_unavailable, "no zygote"});
  CHECK_FALSE(counted());
}

TEST_CASE_METHOD(breaking_fixture, "no worker in time counts", "[actors][unit]") {
  core->on_tick(clock_type::now() + 1h);
  CHECK(counted());
}

TEST_CASE_METHOD(breaking_fixture, "a session that is closed while it starts does not count",
                 "[actors][unit]") {
  core->close(reply<done>{}, "closed");
  CHECK_FALSE(counted());
}

TEST_CASE("whose init script fails is who is to blame", "[actors][unit]") {
  auto counts = [](bool of_environment) {
    auto how = breaking_at_once();
    session_request wish;
    if (of_environment)
      how.environments["default"].init = "1/0";
    else
      wish.init = init_script{.source = "1/0", .variables = {}, .filename = {}};
    session_fixture one{how, wish};
    one.grant();
    one.say_error(1, error_kind::python, "division by zero");
    CHECK(one.core->info().cause->what == "init");
    return !one.starts->enter(one.where, "default");
  };
  CHECK(counts(true));
  CHECK_FALSE(counts(false));
}
