// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/duration.hpp"

#include <catch2/catch.hpp>

using namespace vivarium::cli;
using namespace std::chrono_literals;

TEST_CASE("a duration has a number and a unit", "[clients][unit]") {
  CHECK(*parse_duration("100ms") == 100ms);
  CHECK(*parse_duration("2s") == 2s);
  CHECK(*parse_duration("1.5m") == 90s);
  CHECK(*parse_duration("1h") == 1h);
  CHECK(*parse_duration("0s") == 0s);
}

TEST_CASE("anything else is no duration", "[clients][unit]") {
  for (const auto* text :
       {"", "1", "s", "-1s", "1 s", "1S", "1d", "1e9h", "nans", "infs", "99999h", "0x10s", "1ss"}) {
    INFO(text);
    CHECK_FALSE(parse_duration(text));
  }
}
