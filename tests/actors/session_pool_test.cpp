// SPDX-License-Identifier: Apache-2.0
#include "actors/session_pool.hpp"
#include "tests/actors/silent_observer.hpp"

#include <catch2/catch.hpp>

using namespace vivarium;
using namespace std::chrono_literals;

namespace {

/// A pool whose sessions the test plays itself.
struct pool_fixture {
  test::silent_observer watch;
  std::vector<std::uint64_t> started;
  std::vector<std::pair<std::uint64_t, execution_ptr>> given;
  std::vector<std::uint64_t> closed;
  std::vector<std::uint64_t> cancelled;
  std::vector<std::uint64_t> pulled;
  clock_type::time_point wake{};
  bool stopped = false;
  std::optional<session_pool_core> core;
  int made = 0;

  void make(std::size_t sessions, std::size_t queue = 10) {
    session_pool_plan plan;
    plan.name = "math";
    plan.host = "local";
    plan.sessions = sessions;
    plan.queue = queue;
    core.emplace(
        plan, watch,
        session_pool_ports{
            .start = [this](std::uint64_t n) { started.push_back(n); },
            .run = [this](std::uint64_t n, const execution_ptr& e) { given.emplace_back(n, e); },
            .cancel =
                [this](std::uint64_t n, const execution_ptr&, stop_mode, const reply<bool>& to) {
                  cancelled.push_back(n);
                  to.give(true);
                },
            .pull = [this](std::uint64_t n, const execution_ptr&,
                           std::uint64_t) { pulled.push_back(n); },
            .close = [this](std::uint64_t n) { closed.push_back(n); },
            .wake_at = [this](clock_type::time_point when) { wake = when; },
            .stop = [this] { stopped = true; },
        });
  }
  void make_ready(std::size_t sessions, std::size_t queue = 10) {
    make(sessions, queue);
    for (auto n : std::vector{started})
      core->on_ready(n);
  }

  static submission call(std::string key = {}, affinity how = affinity::hint) {
    submission out;
    out.pool = "math";
    out.affinity_key = std::move(key);
    out.affinity = how;
    out.timeout = 60s;
    out.charged_to = "local";
    return out;
  }
  execution_ptr run(submission what = call(), errc expected = errc::none) {
    auto one =
        std::make_shared<execution>("exe_" + std::to_string(++made), "", std::move(what), 1u << 20);
    auto got = errc::internal;
    core->run(one, reply<execution_ptr>{[&](const result<execution_ptr>& taken) {
                got = taken ? errc::none : taken.why().code;
                if (!taken)
                  why = taken.why();
              }});
    CHECK(got == expected);
    return one;
  }
  /// The session has come to the end of what it was given.
  void end(std::uint64_t number, session_outcome how = session_outcome::kept) {
    for (auto& [n, what] : given)
      if (n == number && !what->end()) {
        verdict v;
        v.session = how;
        what->finish(std::move(v));
        return core->on_done(number, what);
      }
    FAIL("nothing runs there");
  }
  std::uint64_t place_of(const execution_ptr& what) const {
    for (const auto& [n, e] : given)
      if (e == what)
        return n;
    return 0;
  }
  error why;
};

std::string code_of(const execution& what) {
  REQUIRE(what.end());
  return text_of_error(what.end()->content, 12);
}

} // namespace

TEST_CASE_METHOD(pool_fixture, "calls go round the free sessions, one at a time each",
                 "[actors][unit]") {
  make_ready(3);
  std::vector<execution_ptr> all;
  for (int n = 0; n < 5; ++n)
    all.push_back(run());
  CHECK(place_of(all[0]) == 1);
  CHECK(place_of(all[1]) == 2);
  CHECK(place_of(all[2]) == 3);
  CHECK(place_of(all[3]) == 0);
  CHECK(core->describe().busy == 3);
  CHECK(core->describe().waiting == 2);
  CHECK(watch.pool_busy == 3);
  CHECK(watch.pool_waiting == 2);
  end(2);
  CHECK(place_of(all[3]) == 2);
  end(1);
  CHECK(place_of(all[4]) == 1);
  end(3);
  end(1);
  CHECK(place_of(run()) == 3); // The one that has been free longest.
  CHECK(core->describe().calls == 6);
}

TEST_CASE_METHOD(pool_fixture, "calls wait until the first session is ready", "[actors][unit]") {
  make(2);
  CHECK(started == std::vector<std::uint64_t>{1, 2});
  auto one = run();
  CHECK(place_of(one) == 0);
  core->on_ready(2);
  CHECK(place_of(one) == 2);
}

TEST_CASE_METHOD(pool_fixture, "a full queue refuses with its figures", "[actors][unit]") {
  make_ready(1, 2);
  run();
  run();
  run();
  auto refused = run(call(), errc::limit_exceeded);
  CHECK(refused->end());
  CHECK(why.quota.name == "session_pool_queue");
  CHECK(why.quota.current == 2);
  CHECK(why.quota.maximum == 2);
  CHECK(why.quota.retry_after >= 50ms);
  auto other = call();
  other.charged_to = "another"; // Whose line is its own.
  run(other);
}

TEST_CASE_METHOD(pool_fixture, "tenants that share a pool take turns", "[actors][unit]") {
  make_ready(1);
  run();
  std::vector<execution_ptr> noisy;
  for (int n = 0; n < 5; ++n)
    noisy.push_back(run());
  auto other = call();
  other.charged_to = "another";
  auto quiet = run(other);
  end(1);
  CHECK(place_of(noisy[0]) == 1);
  end(1);
  CHECK(place_of(quiet) == 1);
}

TEST_CASE_METHOD(pool_fixture, "what will not wait is refused at once", "[actors][unit]") {
  make_ready(1);
  run();
  run(call("", affinity::strict_fail_fast), errc::worker_busy);
  CHECK(why.quota.retry_after >= 50ms);
  auto impatient = call();
  impatient.fail_if_busy = true;
  auto one = run(impatient, errc::worker_busy);
  CHECK(code_of(*one) == "worker_busy");
  end(1);
  run(call("", affinity::strict_fail_fast));
}

TEST_CASE_METHOD(pool_fixture, "a key leads to the session that had it last", "[actors][unit]") {
  make_ready(3);
  auto home = place_of(run(call("k")));
  end(home);
  for (int n = 0; n < 4; ++n) {
    CHECK(place_of(run(call("k"))) == home);
    end(home);
  }
  auto blocker = run(call("k"));
  CHECK(place_of(blocker) == home);
  SECTION("a hint goes elsewhere when it is busy, and stays there") {
    auto moved = place_of(run(call("k")));
    CHECK(moved != home);
    CHECK(moved != 0);
    end(moved);
    CHECK(place_of(run(call("k"))) == moved);
  }
  SECTION("strict ones wait for it although others are free") {
    auto one = run(call("k", affinity::strict_queue));
    auto two = run(call("k", affinity::strict_queue));
    CHECK(place_of(one) == 0);
    end(home);
    CHECK(place_of(one) == home);
    end(home);
    CHECK(place_of(two) == home);
  }
  SECTION("or fail at once") {
    run(call("k", affinity::strict_fail_fast), errc::worker_busy);
  }
  SECTION("another tenant's key is another key") {
    auto other = call("k", affinity::strict_fail_fast);
    other.charged_to = "another";
    CHECK(place_of(run(other)) != home);
  }
}

TEST_CASE_METHOD(pool_fixture, "neither line starves the other", "[actors][unit]") {
  make_ready(1);
  run(call("k"));
  std::vector<execution_ptr> own;
  std::vector<execution_ptr> any;
  for (int n = 0; n < 3; ++n) {
    own.push_back(run(call("k", affinity::strict_queue)));
    any.push_back(run());
  }
  std::vector<bool> order;
  for (int n = 0; n < 6; ++n) {
    end(1);
    order.push_back(given.back().second->request().affinity_key == "k");
  }
  CHECK(order == std::vector<bool>{true, false, true, false, true, false});
}

TEST_CASE_METHOD(pool_fixture, "a session that ends is replaced, and its keys say so once",
                 "[actors][unit]") {
  make_ready(2);
  auto first = run(call("k"));
  CHECK(place_of(first) == 1);
  auto strict = run(call("k", affinity::strict_queue));
  end(1, session_outcome::lost);
  CHECK(code_of(*strict) == "session_worker_unavailable");
  CHECK(started.back() == 3);
  CHECK(watch.replaced == 1);
  CHECK(core->describe().replaced == 1);
  core->on_lost(1); // Its actor is gone, too: counted once.
  CHECK(watch.replaced == 1);
  core->on_ready(3);
  auto told = run(call("k", affinity::strict_fail_fast), errc::session_worker_unavailable);
  CHECK(code_of(*told) == "session_worker_unavailable");
  run(call("k", affinity::strict_fail_fast));
}

TEST_CASE_METHOD(pool_fixture, "a hint does not mind that its session has ended",
                 "[actors][unit]") {
  make_ready(2);
  run(call("k"));
  end(1, session_outcome::lost);
  CHECK(place_of(run(call("k"))) == 2);
}

TEST_CASE_METHOD(pool_fixture, "what was given to a dead session runs in another",
                 "[actors][unit]") {
  make_ready(2);
  auto one = run();
  CHECK(given.size() == 1);
  core->on_turned_away(1, one);
  REQUIRE(given.size() == 2);
  CHECK(given.back() == std::pair{std::uint64_t{2}, one});
  CHECK_FALSE(one->end());
}

TEST_CASE_METHOD(pool_fixture, "sessions that cannot be made are waited for ever longer",
                 "[actors][unit]") {
  make(1);
  auto waiting = run();
  core->on_failed(1, error{errc::failed_precondition, "the init script failed"});
  CHECK(waiting->end());
  CHECK(core->describe().trouble == "the init script failed");
  CHECK(started.size() == 1);
  auto refused = run(call(), errc::unavailable);
  CHECK(why.detail.find("the init script failed") != std::string::npos);
  CHECK(wake > clock_type::now());
  core->on_tick(clock_type::now());
  CHECK(started.size() == 1);
  core->on_tick(clock_type::now() + 200ms);
  CHECK(started.size() == 2);
  core->on_failed(2, error{errc::failed_precondition, "again"});
  core->on_tick(clock_type::now() + 150ms);
  CHECK(started.size() == 2);
  core->on_tick(clock_type::now() + 300ms);
  CHECK(started.size() == 3);
  core->on_ready(3);
  CHECK(core->describe().trouble.empty());
  run();
}

TEST_CASE_METHOD(pool_fixture, "an open circuit is waited for as long as it says",
                 "[actors][unit]") {
  make(1);
  error refused{errc::circuit_open, "it has failed to start", {}, {"circuit", 5, 5, 2s}};
  for (std::uint64_t n = 1; n < 8; ++n) {
    core->on_failed(n, refused);
    CHECK(core->describe().trouble == "it has failed to start");
    core->on_tick(clock_type::now() + 1s);
    CHECK(started.size() == n);
    core->on_tick(clock_type::now() + 3s);
    REQUIRE(started.size() == n + 1);
  }
  // Nor was any of them a failure.
  core->on_failed(8, error{errc::failed_precondition, "no"});
  core->on_tick(clock_type::now() + 150ms);
  CHECK(started.size() == 9);
}

TEST_CASE_METHOD(pool_fixture, "a deadline passes while it waits", "[actors][unit]") {
  make_ready(1);
  run();
  auto what = call();
  what.timeout = 10ms;
  auto one = run(what);
  auto key = call("k", affinity::strict_queue);
  CHECK(wake <= one->submitted() + 10ms);
  core->on_tick(one->submitted() + 11ms);
  REQUIRE(one->end());
  CHECK(one->end()->cause->what == "deadline");
  CHECK(one->end()->error_kind == static_cast<std::uint32_t>(error_kind::timeout));
  CHECK(core->describe().waiting == 0);
  CHECK(watch.pooled.back() == "expired");
  end(1);
  CHECK(given.size() == 1);
}

TEST_CASE_METHOD(pool_fixture, "what waits or runs is cancelled, and its stream pulled",
                 "[actors][unit]") {
  make_ready(1);
  auto running = run();
  auto waiting = run();
  std::optional<bool> told;
  reply<bool> to{[&](result<bool> how) { told = *how; }};
  core->pull(waiting, 5);
  CHECK(waiting->early_rounds == std::vector<std::uint64_t>{5});
  core->cancel(waiting, stop_mode::interrupt, to);
  CHECK(told == true);
  CHECK(waiting->end()->cause->what == "cancelled");
  core->cancel(running, stop_mode::interrupt, reply<bool>{});
  CHECK(cancelled == std::vector<std::uint64_t>{1});
  core->pull(running, 1);
  CHECK(pulled == std::vector<std::uint64_t>{1});
  end(1);
  told.reset();
  core->cancel(running, stop_mode::interrupt, reply<bool>{[&](result<bool> how) { told = *how; }});
  CHECK(told == false);
}

TEST_CASE_METHOD(pool_fixture, "a closed pool refuses what waits and stops when all is gone",
                 "[actors][unit]") {
  make_ready(2);
  auto running = run();
  run();
  auto waiting = run();
  core->close();
  CHECK(waiting->end());
  CHECK(closed == std::vector<std::uint64_t>{1, 2});
  run(call(), errc::unavailable);
  CHECK_FALSE(stopped);
  core->on_lost(1);
  core->on_lost(2);
  CHECK(stopped);
  CHECK(started.size() == 2);
  CHECK(watch.replaced == 0);
}

TEST_CASE_METHOD(pool_fixture, "a draining pool runs what it has", "[actors][unit]") {
  make_ready(1);
  run();
  auto waiting = run();
  core->drain();
  CHECK(closed.empty());
  end(1);
  CHECK(place_of(waiting) == 1);
  end(1);
  CHECK(closed == std::vector<std::uint64_t>{1});
  core->on_lost(1);
  CHECK(stopped);
}

TEST_CASE_METHOD(pool_fixture, "nobody waits for a pool that has failed", "[actors][unit]") {
  make_ready(1);
  run();
  auto waiting = run();
  core.reset();
  REQUIRE(waiting->end());
  CHECK(waiting->end()->error_kind == static_cast<std::uint32_t>(error_kind::internal));
  CHECK(closed == std::vector<std::uint64_t>{1});
}

TEST_CASE("keys are bounded, the least used goes first", "[actors][unit]") {
  affinity_table table{2};
  table.bind("a", 1);
  table.bind("b", 2);
  CHECK(table.find("a")->member == 1);
  table.bind("c", 3);
  CHECK(table.size() == 2);
  CHECK_FALSE(table.find("b"));
  table.lose(1);
  CHECK(table.find("a")->lost);
  CHECK_FALSE(table.find("c")->lost);
  table.bind("a", 4);
  CHECK_FALSE(table.find("a")->lost);
  table.forget("a");
  CHECK_FALSE(table.find("a"));
}
