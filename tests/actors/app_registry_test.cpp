// SPDX-License-Identifier: Apache-2.0

// Which sessions an application gets, from a service that the test plays.

#include "actors/app_registry.hpp"
#include "bridge/value_writer.hpp"
#include "tests/actors/silent_observer.hpp"

#include <catch2/catch.hpp>

#include <deque>

using namespace vivarium;
using namespace vivarium::test;
using namespace std::chrono_literals;

namespace {

struct registry_fixture {
  registry_fixture() { config.max_apps = 1; }
  ~registry_fixture() {
    for (auto& one : asked)
      one->leave(); // It and its execution hold each other.
  }

  void boot(std::size_t workers) {
    app_plan plan;
    plan.name = "shop";
    plan.workers = workers;
    apps.boot("local", plan, reply<app_info>{[this](const result<app_info>& how) {
                booted.push_back(how ? "ready" : how.why().detail);
              }});
  }
  void make_session(const std::string& id) {
    session_info info;
    info.id = id;
    auto to = wanted.front();
    wanted.pop_front();
    to.give(info);
  }
  void refuse_session() { refuse_session(error{errc::limit_exceeded, "too many sessions"}); }
  void refuse_session(error why) {
    auto to = wanted.front();
    wanted.pop_front();
    to.refuse(std::move(why));
  }
  /// One request; what it is executed as is the last of `booting`.
  void ask() {
    bridge::app_request what;
    what.method = "GET";
    asked.push_back(*apps.ask(app().id, std::move(what), "req_0test", {}, [] {}));
  }
  void start() {
    verdict how;
    how.outcome = verdict::kind::value;
    how.content = bridge::text_value("asgi");
    auto one = booting.front();
    booting.pop_front();
    one->finish(how);
  }
  void end_session(const std::string& id) {
    session_info info;
    info.id = id;
    apps.on_session_ended(info);
  }
  /// Lets the time go by that a new session is waited for.
  void wait() {
    reactor.restart();
    reactor.run();
  }
  app_info app() { return *apps.describe("local", "shop"); }

  boost::asio::io_context reactor{1};
  settings config;
  silent_observer watch;
  std::vector<std::string> booted;
  app_registry apps{{
      .reactor = reactor,
      .config = config,
      .watch = watch,
      .create_session = [this](auto&, auto, auto to) { wanted.push_back(std::move(to)); },
      .close_session = [this](auto&, auto& id) { closed.push_back(id); },
      .get_session = [](auto&, auto&, auto) {},
      .submit =
          [this](auto&, submission&& what, auto to) {
            if (hold)
              return placing.push_back(std::move(to));
            booting.push_back(
                std::make_shared<execution>("exe_0test", "ses_0test", std::move(what), 1 << 20));
            to.give(booting.back());
          },
      .pull = [](auto&, auto&, auto) {},
      .feed = [](auto&, auto&, auto) {},
      .cancel = [](auto&, auto&) {},
      .drained = [] { return false; },
  }};
  std::deque<reply<session_info>> wanted;
  std::deque<execution_ptr> booting;
  bool hold = false; // submissions are not answered
  std::deque<reply<execution_ptr>> placing;
  std::vector<std::shared_ptr<app_exchange>> asked;
  std::vector<std::string> closed;
};

} // namespace

TEST_CASE("an application whose session cannot be replaced tries again", "[actors][unit]") {
  registry_fixture f;
  f.boot(1);
  f.make_session("ses_0one");
  f.start();
  CHECK(f.app().state == app_state::ready);
  f.end_session("ses_0one");
  CHECK(f.app().state == app_state::booting);
  for (int tries = 0; tries < 2; ++tries) {
    f.wait();
    REQUIRE(f.wanted.size() == 1);
    f.refuse_session();
    CHECK(f.app().trouble == "too many sessions");
  }
  f.wait();
  f.make_session("ses_0two");
  f.start();
  CHECK(f.app().state == app_state::ready);
  CHECK(f.app().trouble.empty());
  CHECK(f.booted == std::vector<std::string>{"ready"});
}

TEST_CASE("an application waits for an open circuit, however often", "[actors][unit]") {
  registry_fixture f;
  f.boot(1);
  f.make_session("ses_0one");
  f.start();
  f.end_session("ses_0one");
  for (int tries = 0; tries < 10; ++tries) {
    f.wait();
    REQUIRE(f.wanted.size() == 1);
    f.refuse_session(error{errc::circuit_open, "it has failed", {}, {"circuit", 5, 5, 1ms}});
    CHECK(f.app().state == app_state::booting);
    CHECK(f.app().trouble == "it has failed");
  }
  f.wait();
  f.make_session("ses_0two");
  f.start();
  CHECK(f.app().state == app_state::ready);
}

TEST_CASE("a successor that fails is no loss of the application", "[actors][unit]") {
  registry_fixture f;
  f.config.app_worker_max_requests = 1;
  f.boot(1);
  f.make_session("ses_0one");
  f.start();
  f.ask();
  REQUIRE(f.wanted.size() == 1);
  f.refuse_session();
  CHECK(f.app().trouble == "too many sessions");
  CHECK(f.app().state == app_state::ready);
  f.wait();
  CHECK(f.wanted.empty()); // Nothing is armed.
  f.ask();
  CHECK(f.wanted.empty()); // Nor is the next request the next attempt.
  // The session itself is one, and is replaced.
  f.end_session("ses_0one");
  CHECK(f.app().state == app_state::booting);
  f.wait();
  CHECK(f.wanted.size() == 1);
}

TEST_CASE("a session that leaves is no loss, and does not stand for another", "[actors][unit]") {
  registry_fixture f;
  f.config.app_worker_max_requests = 1;
  f.boot(1);
  f.make_session("ses_0one");
  f.start();
  f.ask(); // It does not end.
  f.make_session("ses_0two");
  f.booting.pop_front();
  f.start();
  REQUIRE(f.app().workers.size() == 2);
  REQUIRE(f.app().workers.front().leaving);
  SECTION("it ends by itself") {
    f.end_session("ses_0one");
    f.wait();
    CHECK(f.wanted.empty());
    CHECK(f.app().state == app_state::ready);
  }
  SECTION("its successor ends") {
    f.end_session("ses_0two");
    CHECK(f.app().state == app_state::booting);
    f.wait();
    CHECK(f.wanted.size() == 1);
  }
}

TEST_CASE("a drained application waits for requests that are being placed", "[actors][unit]") {
  registry_fixture f;
  f.boot(1);
  f.make_session("ses_0one");
  f.start();
  f.hold = true;
  f.ask();
  REQUIRE(f.placing.size() == 1);
  f.apps.drain();
  CHECK(f.placing.size() == 1); // It is not asked to shut down yet.
  f.placing.front().refuse(error{errc::limit_exceeded, "a full queue"});
  REQUIRE(f.placing.size() == 2);
  f.placing.back().refuse(error{errc::session_lost, "it has ended"});
  CHECK(f.closed == std::vector<std::string>{"ses_0one"});
}

TEST_CASE("a session that is being made for an application is not made twice", "[actors][unit]") {
  registry_fixture f;
  f.boot(2);
  f.make_session("ses_0one");
  f.make_session("ses_0two");
  f.start();
  CHECK(f.booted.empty());
  f.start();
  CHECK(f.booted == std::vector<std::string>{"ready"});
  f.end_session("ses_0one");
  f.wait();
  CHECK(f.wanted.size() == 1);
  f.end_session("ses_0two");
  f.wait();
  CHECK(f.wanted.size() == 2);
}

TEST_CASE("an application that loses a session while it is booted is none", "[actors][unit]") {
  registry_fixture f;
  f.boot(2);
  f.make_session("ses_0one");
  f.make_session("ses_0two");
  f.start();
  f.end_session("ses_0one");
  CHECK(f.booted == std::vector<std::string>{"a session of it has ended"});
  CHECK_FALSE(f.apps.describe("local", "shop"));
  CHECK(f.closed == std::vector<std::string>{"ses_0two"});
}
