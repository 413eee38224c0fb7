// SPDX-License-Identifier: Apache-2.0
#include "actors/rate_gate.hpp"

#include <catch2/catch.hpp>

using namespace vivarium;
using namespace std::chrono_literals;

TEST_CASE("a burst passes and then one place comes back at a time", "[actors][unit]") {
  rate_gate::clock::time_point now{1h};
  rate_gate gate{10, 2};
  CHECK(gate.free(now) == 2);
  CHECK(gate.wait(now) == 0s);
  CHECK(gate.enter(now));
  CHECK(gate.enter(now));
  CHECK_FALSE(gate.enter(now));
  CHECK(gate.free(now) == 0);
  CHECK(gate.wait(now) == 100ms);
  CHECK_FALSE(gate.enter(now + 99ms));
  CHECK(gate.enter(now + 100ms));
  CHECK_FALSE(gate.enter(now + 100ms));
}

TEST_CASE("refusals cost nothing, and what was not used is not saved up", "[actors][unit]") {
  rate_gate::clock::time_point now{1h};
  rate_gate gate{1, 3};
  for (int n = 0; n < 3; ++n)
    CHECK(gate.enter(now));
  for (int n = 0; n < 100; ++n)
    CHECK_FALSE(gate.enter(now));
  CHECK(gate.wait(now) == 1s);
  CHECK(gate.free(now + 24h) == 3);
}

TEST_CASE("many places are taken at once, or none", "[actors][unit]") {
  rate_gate::clock::time_point now{1h};
  rate_gate gate{10, 5};
  CHECK(gate.enter(now, 3));
  CHECK_FALSE(gate.enter(now, 3));
  CHECK(gate.free(now) == 2);
  CHECK(gate.wait(now, 3) == 100ms);
  CHECK(gate.enter(now, 2));
  // More than there ever is room for passes when all is free, and is paid for afterwards.
  CHECK_FALSE(gate.enter(now, 50));
  CHECK(gate.enter(now + 500ms, 50));
  CHECK(gate.wait(now + 500ms) == 4'600ms);
}
