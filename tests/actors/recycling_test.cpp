// SPDX-License-Identifier: Apache-2.0
#include "actors/session_pool.hpp"
#include "tests/actors/silent_observer.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace vivarium;
using namespace std::chrono_literals;

namespace {

/// A pool of two whose sessions do as they are told.
struct recycling_fixture {
  test::silent_observer watch;
  std::vector<std::uint64_t> started;
  std::vector<std::uint64_t> closed;
  std::map<execution_ptr, std::uint64_t> given;
  clock_type::time_point wake{};
  std::optional<session_pool_core> core;

  void make(std::uint64_t max_executions, std::chrono::milliseconds max_age) {
    session_pool_plan plan;
    plan.name = "math";
    plan.host = "local";
    plan.sessions = 2;
    plan.max_executions = max_executions;
    plan.max_age = max_age;
    core.emplace(
        plan, watch,
        session_pool_ports{
            .start = [this](std::uint64_t n) { started.push_back(n); },
            .run = [this](std::uint64_t n, const execution_ptr& e) { given[e] = n; },
            .cancel = [](std::uint64_t, const execution_ptr&, stop_mode, const reply<bool>&) {},
            .pull = [](std::uint64_t, const execution_ptr&, std::uint64_t) {},
            .close = [this](std::uint64_t n) { closed.push_back(n); },
            .wake_at = [this](clock_type::time_point when) { wake = when; },
            .stop = [] {},
        });
    core->on_ready(1);
    core->on_ready(2);
  }
  execution_ptr begin(std::string key = {}) {
    submission what;
    what.pool = "math";
    what.timeout = 60s;
    what.charged_to = "local";
    what.affinity = key.empty() ? affinity::hint : affinity::strict_queue;
    what.affinity_key = std::move(key);
    auto one = std::make_shared<execution>("exe_1", "", std::move(what), 1u << 20);
    core->run(one, reply<execution_ptr>{});
    return one;
  }
  void end(const execution_ptr& what) {
    what->finish(verdict{});
    core->on_done(given.at(what), what);
  }
  std::uint64_t run(std::string key = {}) {
    auto one = begin(std::move(key));
    auto where = given.at(one);
    end(one);
    return where;
  }
  bool is_closed(std::uint64_t n) const {
    return std::find(closed.begin(), closed.end(), n) != closed.end();
  }
};

} // namespace

TEST_CASE_METHOD(recycling_fixture, "a session that has run enough goes when another is there",
                 "[actors][unit]") {
  make(2, 0ms);
  auto busy = begin(); // on 1
  CHECK(run() == 2);
  CHECK(started.size() == 2);
  CHECK(run() == 2);
  CHECK(started.back() == 3); // In its place.
  CHECK(run() == 2);          // It goes on meanwhile.
  CHECK(closed.empty());
  core->on_ready(3);
  CHECK(closed == std::vector<std::uint64_t>{2});
  CHECK(watch.recycled_for == std::vector<std::string>{"count"});
  CHECK(watch.replaced == 0); // It has not ended by itself.
  end(busy);
  CHECK(core->describe().ready == 2);
}

TEST_CASE_METHOD(recycling_fixture, "a busy session is not ended", "[actors][unit]") {
  make(1, 0ms);
  auto first = begin();
  end(first); // 1 is due.
  CHECK(started.back() == 3);
  auto second = begin(); // on 2
  auto third = begin();  // on 1 again: 3 is not there yet
  REQUIRE(given.at(third) == 1);
  core->on_ready(3);
  CHECK(closed.empty());
  end(third);
  CHECK(closed == std::vector<std::uint64_t>{1});
  CHECK_FALSE(second->end());
}

TEST_CASE_METHOD(recycling_fixture, "a session whose successor cannot be made goes on",
                 "[actors][unit]") {
  make(1, 0ms);
  CHECK(run() == 1);
  REQUIRE(started.back() == 3);
  core->on_failed(3, error{errc::unavailable, "no"});
  CHECK(started.back() == 3); // Not at once again.
  CHECK(run() == 2);
  CHECK(run() == 1);
  CHECK_FALSE(is_closed(1));
  CHECK_FALSE(is_closed(2));
  core->on_tick(clock_type::now() + 1s);
  CHECK(started.back() == 4);
  core->on_ready(4);
  CHECK(core->describe().ready == 2);
}

TEST_CASE_METHOD(recycling_fixture, "old sessions that answer do not hurry their successor",
                 "[actors][unit]") {
  make(1, 0ms);
  run();
  std::uint64_t tried = 3;
  for (auto pause = 100ms; pause < 1s; pause *= 2, ++tried) {
    REQUIRE(started.back() == tried);
    auto failed = clock_type::now();
    core->on_failed(tried, error{errc::unavailable, "no"});
    run();
    core->on_tick(failed + pause - 20ms);
    CHECK(started.back() == tried);
    core->on_tick(clock_type::now() + pause);
  }
  core->on_ready(tried);
  // Of the two that are due, one has gone; the next failure is a first one once the new one ran.
  for (int n = 0; n < 2; ++n)
    run();
  core->on_tick(clock_type::now() + 1s);
  REQUIRE(started.back() == tried + 1);
  core->on_failed(tried + 1, error{errc::unavailable, "no"});
  core->on_tick(clock_type::now() + 150ms);
  CHECK(started.back() == tried + 2);
}

TEST_CASE_METHOD(recycling_fixture, "a session whose strict key is forgotten is as others",
                 "[actors][unit]") {
  make(0, 10s);
  CHECK(run("cart") == 1);
  // So many others, on another session, that the table has no room for it.
  auto busy = begin(); // on 2
  auto held = begin(); // on 1
  end(busy);
  for (int n = 0; n < 10'000; ++n)
    run("key " + std::to_string(n)); // on 2
  end(held);
  core->on_tick(clock_type::now() + 1h);
  REQUIRE(started.back() == 3);
  core->on_ready(3);
  core->on_tick(clock_type::now() + 1h);
  CHECK(closed == std::vector<std::uint64_t>{1});
}

TEST_CASE_METHOD(recycling_fixture, "a session grows old", "[actors][unit]") {
  make(0, 10s);
  auto now = clock_type::now();
  CHECK(wake > now);
  CHECK(wake <= now + 10s);
  core->on_tick(now + 11s);
  REQUIRE(started.back() == 3);
  CHECK(closed.empty());
  core->on_ready(3);
  // By the time of this the clock has not moved on: it is the tick that knows.
  core->on_tick(now + 12s);
  CHECK(closed.size() == 1);
  CHECK(watch.recycled_for == std::vector<std::string>{"age"});
  CHECK(started.back() == 4); // The other one is as old.
}

TEST_CASE_METHOD(recycling_fixture, "a session that strict keys stand for is left alone",
                 "[actors][unit]") {
  make(1, 10s);
  CHECK(run("cart") == 1);
  CHECK(run("cart") == 1);
  core->on_tick(clock_type::now() + 1h); // 2 is due by its age.
  REQUIRE(started.back() == 3);
  core->on_ready(3);
  core->on_tick(clock_type::now() + 1h);
  CHECK(closed == std::vector<std::uint64_t>{2});
  CHECK(run("cart") == 1);
}

TEST_CASE_METHOD(recycling_fixture, "nothing is recycled where nobody asked for it",
                 "[actors][unit]") {
  make(0, 0ms);
  for (int n = 0; n < 100; ++n)
    run();
  core->on_tick(clock_type::now() + 1000h);
  CHECK(started.size() == 2);
  CHECK(closed.empty());
}
