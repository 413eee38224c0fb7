// SPDX-License-Identifier: Apache-2.0
#include "daemon/turns.hpp"

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace vivarium;

namespace {

/// A connection with so many requests to begin.
struct client : turn_taker, std::enable_shared_from_this<client> {
  client(turns& at, const turns::clock::time_point& time, std::string tenant, std::size_t count,
         std::vector<std::string>& begun)
      : now{time}, name{std::move(tenant)}, left{count}, log{begun}, place{at.sit_with(name)} {}
  void take_turn() override {
    while (left > 0) {
      if (!place.enter(now))
        return place.wait(weak_from_this());
      place.charge(cost - 1);
      --left;
      log.push_back(name);
    }
  }
  const turns::clock::time_point& now;
  std::string name;
  std::size_t left;
  std::vector<std::string>& log;
  turns::seat place;
  std::size_t cost = 1;
};

struct fixture {
  boost::asio::io_context reactor;
  turns shared{reactor.get_executor()};
  turns::clock::time_point now{std::chrono::hours{1}};
  std::vector<std::string> begun;
  std::shared_ptr<client> connect(const std::string& tenant, std::size_t count) {
    return std::make_shared<client>(shared, now, tenant, count, begun);
  }
};

} // namespace

TEST_CASE("a tenant that is alone is not slowed", "[daemon][unit]") {
  fixture with;
  auto one = with.connect("a", 1'000);
  one->take_turn();
  CHECK(with.begun.size() == 1'000);
  CHECK(with.reactor.poll() == 0);
}

TEST_CASE("a flood waits for itself, not others for it", "[daemon][unit]") {
  fixture with;
  std::vector<std::shared_ptr<client>> flood;
  for (int n = 0; n < 64; ++n)
    flood.push_back(with.connect("noisy", 100));
  auto quiet = with.connect("quiet", 1);
  for (auto& each : flood)
    each->take_turn();
  // However many connections: so many requests, then it is somebody else's turn.
  CHECK(with.begun.size() == turns::undisturbed);
  quiet->take_turn();
  CHECK(with.begun.size() == turns::undisturbed + 1);
  CHECK(with.begun.back() == "quiet");
  // From now on there is somebody whom it disturbs.
  for (int pass = 0; pass < 10; ++pass) {
    auto before = with.begun.size();
    with.shared.next_pass();
    CHECK(with.begun.size() == before + turns::contested);
    quiet->left = 1;
    quiet->take_turn();
    CHECK(with.begun.size() == before + turns::contested + 1);
    CHECK(with.begun.back() == "quiet");
  }
  // Until they have not been heard of for a while.
  with.now += 2 * turns::memory;
  with.shared.next_pass();
  auto before = with.begun.size();
  with.shared.next_pass();
  CHECK(with.begun.size() == before + turns::undisturbed);
  // Nothing is forgotten.
  with.reactor.run();
  CHECK(with.begun.size() == 64u * 100 + 11);
}

TEST_CASE("two floods get the same", "[daemon][unit]") {
  fixture with;
  auto a = with.connect("a", 1'000);
  auto b = with.connect("b", 1'000);
  a->take_turn();
  b->take_turn();
  auto left_a = a->left;
  auto left_b = b->left;
  for (int pass = 0; pass < 20; ++pass)
    with.shared.next_pass();
  CHECK(left_a - a->left == 20 * turns::contested);
  CHECK(left_b - b->left == 20 * turns::contested);
}

TEST_CASE("what a large request costs is paid for in later passes", "[daemon][unit]") {
  fixture with;
  auto large = with.connect("a", 2);
  auto other = with.connect("b", 0);
  large->cost = 4 * turns::undisturbed;
  large->take_turn();
  CHECK(with.begun.size() == 1);
  for (int pass = 0; pass < 3; ++pass)
    with.shared.next_pass();
  CHECK(with.begun.size() == 1);
  with.shared.next_pass();
  CHECK(with.begun.size() == 2);
}

TEST_CASE("who has gone waits no longer", "[daemon][unit]") {
  fixture with;
  auto a = with.connect("a", 100);
  auto b = with.connect("b", 0);
  a->take_turn();
  a.reset();
  with.reactor.run();
  CHECK(with.begun.size() == turns::undisturbed);
}
