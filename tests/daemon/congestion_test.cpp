// SPDX-License-Identifier: Apache-2.0
#include "daemon/congestion.hpp"

#include <catch2/catch.hpp>

using vivarium::congestion;

TEST_CASE("a queue is full above the high mark and not at it", "[daemon][unit]") {
  congestion gauge{100, 40};
  gauge.note(100);
  CHECK_FALSE(gauge.at(100));
  CHECK(gauge.at(101));
  CHECK_FALSE(gauge.relieved(0)); // It never was too full.
}

TEST_CASE("a full queue stays full down to the low mark", "[daemon][unit]") {
  congestion gauge{100, 40};
  gauge.note(101);
  CHECK(gauge.at(100));
  CHECK(gauge.at(41));
  CHECK_FALSE(gauge.relieved(41));
  CHECK_FALSE(gauge.at(40));
  CHECK(gauge.relieved(40));
  CHECK_FALSE(gauge.relieved(40)); // Told once.
  CHECK_FALSE(gauge.at(100));
}

TEST_CASE("what is added between the marks to a full queue keeps it full", "[daemon][unit]") {
  congestion gauge{100, 40};
  gauge.note(101);
  gauge.note(60);
  CHECK(gauge.at(60));
  gauge.note(10);
  CHECK(gauge.relieved(10)); // Whoever stopped at 101 has still to be told.
  congestion other{100, 40};
  other.note(60);
  CHECK_FALSE(other.at(60));
}

TEST_CASE("equal marks make one", "[daemon][unit]") {
  congestion gauge{100, 100};
  gauge.note(101);
  CHECK_FALSE(gauge.relieved(101));
  CHECK(gauge.relieved(100));
}
