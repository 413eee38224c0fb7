// SPDX-License-Identifier: Apache-2.0
#include "actors/resource_watch.hpp"
#include "tests/actors/silent_observer.hpp"

#include <catch2/catch.hpp>

#include <unistd.h>

using namespace vivarium;
using namespace std::chrono_literals;

namespace {

struct fixture {
  boost::asio::io_context reactor{1};
  test::silent_observer told;
  watch_settings how;
  std::vector<cause> beyond;

  resource_watch::ticket one(std::uint64_t memory_limit, bool busy = true) {
    auto out = std::make_shared<watched_worker>();
    out->pid = ::getpid(); // Takes some mebibytes, as any process does.
    out->memory_limit = memory_limit;
    out->busy = busy;
    out->beyond = [this](cause why) { beyond.push_back(std::move(why)); };
    return out;
  }
};

constexpr std::uint64_t much = 1ull << 40;

} // namespace

TEST_CASE("a worker over its limit is told of once", "[actors][unit]") {
  fixture f;
  f.how.reserve = 0;
  resource_watch watch{f.reactor, f.told, f.how};
  auto fits = f.one(much);
  auto over = f.one(4096);
  watch.add(fits);
  watch.add(over);
  watch.look();
  watch.look();
  REQUIRE(f.beyond.size() == 1);
  CHECK(f.beyond[0].what == "memory");
  CHECK(f.beyond[0].limit == "memory_bytes");
  CHECK(f.beyond[0].configured == 4096);
  CHECK(f.beyond[0].observed > 4096);
  CHECK(f.beyond[0].enforced_by == enforcer::daemon);
  CHECK(fits->taken > 4096);
}

TEST_CASE("what a worker was born with does not count", "[actors][unit]") {
  fixture f;
  f.how.reserve = 0;
  resource_watch watch{f.reactor, f.told, f.how};
  auto heir = f.one(4096);
  heir->born_with = much;
  watch.add(heir);
  watch.look();
  CHECK(f.beyond.empty());
  CHECK(heir->taken == 0);
}

TEST_CASE("who is over the limit by what is tolerated lives", "[actors][unit]") {
  fixture f;
  f.how.reserve = 0;
  resource_watch watch{f.reactor, f.told, f.how};
  auto over = f.one(4096);
  over->tolerated = much;
  watch.add(over);
  watch.look();
  CHECK(f.beyond.empty());
  over->tolerated = 4096;
  watch.look();
  CHECK(f.beyond.size() == 1);
}

TEST_CASE("a session's CPU time has an end", "[actors][unit]") {
  fixture f;
  f.how.reserve = 0;
  resource_watch watch{f.reactor, f.told, f.how};
  auto rested = f.one(much);
  rested->cpu = std::chrono::hours{1000};
  auto spent = f.one(much);
  spent->cpu = 1ms;
  for (volatile int spin = 0; spin < 20'000'000;)
    spin = spin + 1;
  watch.add(rested);
  watch.add(spent);
  watch.look();
  REQUIRE(f.beyond.size() == 1);
  CHECK(f.beyond[0].what == "cpu");
  CHECK(f.beyond[0].limit == "session_cpu_ms");
  CHECK(f.beyond[0].observed >= 1);
}

TEST_CASE("a crowd is looked at in turns, and nobody escapes", "[actors][unit]") {
  fixture f;
  f.how.reserve = 0;
  f.how.looks = 4;
  resource_watch watch{f.reactor, f.told, f.how};
  std::vector<resource_watch::ticket> all;
  for (int i = 0; i < 20; ++i)
    watch.add(all.emplace_back(f.one(much, i % 2 == 0)));
  auto seen = [&] {
    return std::count_if(all.begin(), all.end(), [](const auto& w) { return w->taken > 0; });
  };
  watch.look();
  CHECK(seen() > 0);
  CHECK(seen() <= 4);
  for (int round = 0; round < 20; ++round)
    watch.look();
  CHECK(seen() == 20);
}

TEST_CASE("a worker that was let go is forgotten", "[actors][unit]") {
  fixture f;
  f.how.reserve = 0;
  resource_watch watch{f.reactor, f.told, f.how};
  auto over = f.one(4096);
  watch.add(over);
  over.reset();
  watch.look();
  CHECK(f.beyond.empty());
}

TEST_CASE("when the machine is full the largest worker goes, and small ones stay",
          "[actors][unit]") {
  fixture f;
  f.how.reserve = ~0ull; // It is always full.
  resource_watch watch{f.reactor, f.told, f.how};
  auto small = f.one(much);
  small->born_with = much;
  auto large = f.one(much);
  std::vector<char> ballast(64u << 20, 'x');
  watch.add(small);
  watch.add(large);
  watch.look();
  REQUIRE(f.beyond.size() == 1);
  CHECK(f.beyond[0].limit == "machine_memory");
  CHECK(f.beyond[0].configured == ~0ull);
  CHECK_FALSE(large->beyond);
  CHECK(small->beyond);
  CHECK(ballast.back() == 'x');
}

TEST_CASE("a machine is full by what is left, or by how long it waits", "[actors][unit]") {
  watch_settings how;
  how.reserve = 100;
  how.stalled = 20;
  CHECK_FALSE(is_full({1000, 100, 0}, how));
  CHECK(is_full({1000, 99, 0}, how));
  CHECK_FALSE(is_full({1000, 399, 19}, how));
  CHECK(is_full({1000, 399, 20}, how));
  CHECK_FALSE(is_full({1000, 400, 100}, how));
  // Without a configuration: 256 MiB, or a sixteenth of a small machine.
  CHECK(reserve_of({1ull << 40, 0, 0}, {}) == 256ull << 20);
  CHECK(reserve_of({1600, 0, 0}, {}) == 100);
}
