// SPDX-License-Identifier: Apache-2.0
#include "actors/circuit.hpp"
#include "actors/session_starts.hpp"
#include "tests/actors/silent_observer.hpp"

#include <catch2/catch.hpp>

using namespace vivarium;
using namespace std::chrono_literals;

namespace {

constexpr circuit_settings three{.failures = 3, .open = 30s, .probes = 1};

struct starts_fixture {
  circuit_settings how = three;
  test::silent_observer watch;
  std::shared_ptr<session_starts> starts = std::make_shared<session_starts>(how, "a", watch);
  environment_ref where{"key of e", "e", nullptr};

  start_watch_ptr enter() {
    auto got = starts->enter(where, "e");
    REQUIRE(got);
    return *got;
  }
  void fail(int times) {
    for (int n = 0; n < times; ++n)
      enter()->failed("exited", "it exited");
  }
};

} // namespace

TEST_CASE("a circuit opens after failures in a row", "[actors][unit]") {
  circuit::clock::time_point now{1h};
  circuit one{three};
  CHECK_FALSE(one.failed(now, "first"));
  CHECK_FALSE(one.failed(now, "second"));
  CHECK_FALSE(one.proven()); // That counts from the beginning again.
  CHECK_FALSE(one.failed(now, "first"));
  CHECK_FALSE(one.failed(now, "second"));
  CHECK(one.enter(now, "it"));
  CHECK(one.failed(now, "no such module"));
  CHECK(one.state(now) == circuit_state::open);
  auto refused = one.enter(now + 10s, "environment 'e'");
  REQUIRE_FALSE(refused);
  CHECK(refused.why().code == errc::circuit_open);
  CHECK(refused.why().quota.name == "circuit");
  CHECK(refused.why().quota.current == 3);
  CHECK(refused.why().quota.maximum == 3);
  CHECK(refused.why().quota.retry_after == 20s);
  CHECK(refused.why().detail.find("no such module") != std::string::npos);
  CHECK(refused.why().detail.find("breaker.failures") != std::string::npos);
  // Those that were under way when it opened do not keep it open for longer.
  CHECK_FALSE(one.failed(now + 20s, "late"));
  CHECK(one.open_until() == now + 30s);
}

TEST_CASE("a half open circuit lets one in, whose fate decides", "[actors][unit]") {
  circuit::clock::time_point now{1h};
  circuit one{three};
  for (int n = 0; n < 3; ++n)
    (void)one.failed(now, "why");
  now += 30s;
  CHECK(one.state(now) == circuit_state::half_open);
  auto probe = one.enter(now, "it");
  REQUIRE(probe);
  REQUIRE(*probe);
  auto second = one.enter(now, "it");
  REQUIRE_FALSE(second);
  CHECK(second.why().quota.retry_after > 0ms);
  SECTION("one that ends without a word makes room") {
    probe->reset();
    CHECK(one.enter(now, "it"));
  }
  SECTION("one that takes too long makes room") {
    CHECK_FALSE(one.enter(now + 29s, "it"));
    auto next = one.enter(now + 30s, "it");
    CHECK(next);
    CHECK_FALSE(one.enter(now + 30s, "it")); // One more, not as many as like.
  }
  SECTION("one that fails opens it again") {
    CHECK(one.failed(now, "again"));
    CHECK_FALSE(one.enter(now + 29s, "it"));
    CHECK(one.state(now + 30s) == circuit_state::half_open);
  }
  SECTION("one that starts closes it, for now") {
    CHECK(one.started());
    CHECK_FALSE(*one.enter(now, "it"));
    CHECK(one.failed(now, "and yet")); // One is enough.
  }
  SECTION("one that has done something closes it") {
    CHECK(one.proven());
    CHECK_FALSE(one.failed(now, "by chance"));
    CHECK(one.state(now) == circuit_state::closed);
  }
}

TEST_CASE("a circuit of no failures never opens", "[actors][unit]") {
  circuit one{circuit_settings{.failures = 0}};
  for (int n = 0; n < 100; ++n)
    CHECK_FALSE(one.failed({}, "why"));
  CHECK(one.enter({}, "it"));
}

TEST_CASE_METHOD(starts_fixture, "starts that fail are refused for that environment only",
                 "[actors][unit]") {
  fail(3);
  auto refused = starts->enter(where, "mine");
  REQUIRE_FALSE(refused);
  CHECK(refused.why().detail.find("environment 'mine'") != std::string::npos);
  CHECK(starts->enter({"key of f", "f", nullptr}, "f"));
  CHECK(watch.circuits
        == std::vector<std::pair<std::string, circuit_state>>{{"session", circuit_state::open}});
  CHECK(watch.audited == std::vector<audit_event>{audit_event::circuit_opened});
}

TEST_CASE_METHOD(starts_fixture, "a session that ran something clears the count",
                 "[actors][unit]") {
  auto before = enter();
  fail(2);
  before->started();
  enter()->proven();
  fail(2);
  CHECK(starts->enter(where, "e"));
  CHECK(watch.circuits.empty());
  fail(1);
  // One that was let in before it opened shows that all is well.
  before->proven();
  CHECK(starts->enter(where, "e"));
  CHECK(watch.audited
        == std::vector<audit_event>{audit_event::circuit_opened, audit_event::circuit_closed});
}

TEST_CASE_METHOD(starts_fixture, "nobody counts where breakers are off", "[actors][unit]") {
  how.failures = 0;
  CHECK(enter() == nullptr);
}
