// SPDX-License-Identifier: Apache-2.0
#include "actors/allowance.hpp"
#include "tests/actors/silent_observer.hpp"

#include <catch2/catch.hpp>

using namespace vivarium;
using namespace std::chrono_literals;

TEST_CASE("what is in use is given back", "[actors][unit]") {
  test::silent_observer watch;
  tenant_settings may;
  may.executions = 2;
  may.memory_bytes = 100u << 20;
  allowance all{"a", may, 3, watch};
  {
    auto one = all.execution();
    auto two = all.execution();
    REQUIRE(one);
    REQUIRE(two);
    auto three = all.execution();
    REQUIRE_FALSE(three);
    const auto& why = three.why();
    CHECK(why.code == errc::limit_exceeded);
    CHECK(why.quota.name == "executions");
    CHECK(why.quota.current == 2);
    CHECK(why.quota.maximum == 2);
    CHECK(why.quota.retry_after > 0ms);
    CHECK(why.detail.find("tenants.a.executions") != std::string::npos);
    CHECK(all.used(quota::executions) == 2);
    *one = quota_hold{}; // one is over
    CHECK(all.execution());
  }
  CHECK(all.used(quota::executions) == 0);
  CHECK(watch.audited == std::vector{audit_event::quota_refused});
}

TEST_CASE("memory is a sum, sessions have the bound of all tenants", "[actors][unit]") {
  test::silent_observer watch;
  tenant_settings may;
  may.memory_bytes = 100;
  allowance all{"a", may, 2, watch};
  auto most = all.memory(100);
  CHECK(most);
  CHECK_FALSE(all.memory(1));
  most->release();
  CHECK_FALSE(all.memory(101));
  CHECK_FALSE(all.memory(~std::uint64_t{0}));
  auto one = all.session();
  auto two = all.session();
  CHECK(one);
  CHECK(two);
  CHECK_FALSE(all.session());
  CHECK(all.connection()); // no bound
}

TEST_CASE("requests are refused with the time to wait", "[actors][unit]") {
  test::silent_observer watch;
  tenant_settings may;
  may.requests_per_second = 10;
  may.burst = 3;
  allowance all{"a", may, 2, watch};
  allowance::clock::time_point now{1h};
  CHECK(all.requests(now, 2));
  CHECK(all.requests(now));
  auto no = all.requests(now);
  REQUIRE_FALSE(no);
  CHECK(no.why().quota.retry_after == 100ms);
  CHECK(no.why().quota.maximum == 10);
  // The same figures again are no new burst; others are.
  all.retune(may, 2);
  CHECK_FALSE(all.requests(now));
  may.burst = 4;
  all.retune(may, 2);
  CHECK(all.requests(now, 4));
}
