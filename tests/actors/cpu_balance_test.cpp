// SPDX-License-Identifier: Apache-2.0
#include "actors/cpu_balance.hpp"

#include <catch2/catch.hpp>

using namespace vivarium;
using namespace std::chrono_literals;
using when_alone = cpu_balance::when_alone;

namespace {

constexpr auto window = std::chrono::microseconds{100ms};

/// Lets each tenant use so many processors for a while.
void run(cpu_balance& on, std::map<std::string, double> used, int windows = 40) {
  for (int n = 0; n < windows; ++n) {
    for (const auto& [tenant, processors] : used)
      on.of(tenant).charged +=
          std::chrono::microseconds{static_cast<std::int64_t>(processors * window.count())};
    on.settle(window);
  }
}

} // namespace

TEST_CASE("who uses more than its part is behind until it uses less", "[actors][unit]") {
  cpu_balance two{2, when_alone::behind};
  run(two, {{"greedy", 1.5}, {"quiet", 0.1}});
  CHECK(two.of("greedy").behind);
  CHECK_FALSE(two.of("quiet").behind);
  CHECK(two.anybody_behind());
  run(two, {{"quiet", 0.1}});
  CHECK_FALSE(two.of("greedy").behind);
  CHECK_FALSE(two.at_rest());
  run(two, {});
  CHECK(two.at_rest());
}

TEST_CASE("a change is told once", "[actors][unit]") {
  cpu_balance two{2, when_alone::behind};
  auto& greedy = two.of("greedy");
  std::size_t told = 0;
  for (int n = 0; n < 20; ++n) {
    greedy.charged = 2 * window;
    two.of("quiet").charged = window / 10;
    told += two.settle(window).size();
  }
  CHECK(told == 1);
}

TEST_CASE("who has little is never behind", "[actors][unit]") {
  cpu_balance two{2, when_alone::behind};
  run(two, {{"a", cpu_balance::modest * 0.9}, {"b", 0.03}});
  CHECK_FALSE(two.anybody_behind());
}

TEST_CASE("who gets next to nothing counts as somebody to make room for", "[actors][unit]") {
  cpu_balance two{2, when_alone::usual};
  run(two, {{"greedy", 2.0}, {"starved", 0.001}});
  CHECK(two.of("greedy").behind);
  // Until it has asked for nothing for a second.
  run(two, {{"greedy", 2.0}}, 8);
  CHECK(two.of("greedy").behind);
  run(two, {{"greedy", 2.0}}, 8);
  CHECK_FALSE(two.of("greedy").behind);
}

TEST_CASE("two that use the same are equals", "[actors][unit]") {
  cpu_balance two{2, when_alone::behind};
  run(two, {{"a", 1.0}, {"b", 0.95}});
  CHECK_FALSE(two.anybody_behind());
}

TEST_CASE("a part goes by weight", "[actors][unit]") {
  cpu_balance two{2, when_alone::behind};
  two.of("heavy").weight = 300;
  run(two, {{"heavy", 1.2}, {"light", 0.8}});
  CHECK_FALSE(two.of("heavy").behind);
  CHECK(two.of("light").behind);
}

TEST_CASE("who is held back does not thereby overtake", "[actors][unit]") {
  cpu_balance two{2, when_alone::behind};
  run(two, {{"greedy", 1.8}, {"quiet", 0.2}});
  REQUIRE(two.of("greedy").behind);
  // The other takes what it wants, up to its part of the machine, and the greedy one the rest.
  run(two, {{"greedy", 0.4}, {"quiet", 1.0}});
  CHECK(two.of("greedy").behind);
  CHECK_FALSE(two.of("quiet").behind);
  // And nobody is kept from a third of its part.
  run(two, {{"greedy", 0.1}, {"quiet", 1.9}});
  CHECK_FALSE(two.of("greedy").behind);
  CHECK(two.of("quiet").behind);
}

TEST_CASE("alone, whoever fills half of the machine makes room for the next", "[actors][unit]") {
  cpu_balance room{2, when_alone::behind};
  run(room, {{"a", 0.9}});
  CHECK_FALSE(room.of("a").behind);
  run(room, {{"a", 1.5}});
  CHECK(room.of("a").behind);
  run(room, {{"a", 0.5}});
  CHECK(room.of("a").behind);
  run(room, {{"a", 0.1}});
  CHECK_FALSE(room.of("a").behind);

  cpu_balance none{2, when_alone::usual};
  run(none, {{"a", 2.0}});
  CHECK_FALSE(none.of("a").behind);
}
