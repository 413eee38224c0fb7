// SPDX-License-Identifier: Apache-2.0
#include "actors/heartbeats.hpp"
#include "tests/actors/silent_observer.hpp"

#include <catch2/catch.hpp>

using namespace vivarium;
using namespace std::chrono_literals;

namespace {

/// A worker as the looks see it.
struct fake_heart final : heart {
  [[nodiscard]] bool owes() const override { return busy; }
  [[nodiscard]] std::uint64_t heard() const override { return words; }
  [[nodiscard]] std::optional<std::chrono::microseconds> beaten() const override { return cpu; }
  void ask() override { ++asked; }
  void stopped(cause why) override { ended = std::move(why); }

  bool busy = true;
  std::uint64_t words = 0;
  std::optional<std::chrono::microseconds> cpu = 0us;
  int asked = 0;
  std::optional<cause> ended;
};

struct beats_fixture {
  boost::asio::io_context reactor{1};
  test::silent_observer watch;
  heartbeats beats{reactor, watch, {.interval = 2s, .timeout = 10s, .missed = 3}};
  fake_heart worker;
  std::shared_ptr<pulse> held = std::make_shared<pulse>();
  clock_type::time_point now{1h};

  beats_fixture() {
    held->of = &worker;
    beats.add(held);
    beats.look(now);
  }
  /// Lets time pass, with the looks that there are meanwhile.
  void pass(std::chrono::seconds time) {
    for (auto until = now + time; now < until;)
      beats.look(now += 2s);
  }
};

} // namespace

TEST_CASE_METHOD(beats_fixture, "who owes nothing is never asked", "[actors][unit]") {
  worker.busy = false;
  pass(100s);
  CHECK(worker.asked == 0);
  worker.busy = true;
  pass(2s); // It has only begun to.
  CHECK(worker.asked == 0);
  pass(2s);
  CHECK(worker.asked == 1);
}

TEST_CASE_METHOD(beats_fixture, "who speaks is not asked", "[actors][unit]") {
  for (int n = 0; n < 50; ++n) {
    ++worker.words;
    pass(2s);
  }
  CHECK(worker.asked == 0);
}

TEST_CASE_METHOD(beats_fixture, "who computes is not asked, however long", "[actors][unit]") {
  for (int n = 0; n < 50; ++n) {
    *worker.cpu += 10ms;
    pass(2s);
  }
  CHECK(worker.asked == 0);
}

TEST_CASE_METHOD(beats_fixture, "who answers is asked again later", "[actors][unit]") {
  for (int n = 0; n < 50; ++n) {
    pass(2s);
    CHECK(worker.asked == n + 1);
    ++worker.words;
    *worker.cpu += 50us;
    pass(2s);
  }
  CHECK_FALSE(worker.ended);
  CHECK(watch.heartbeats["answered"] == 50);
  CHECK(watch.heartbeats["missed"] == 0);
}

TEST_CASE_METHOD(beats_fixture, "who does not answer is ended", "[actors][unit]") {
  pass(30s);
  CHECK_FALSE(worker.ended);
  CHECK(worker.asked == 3);
  pass(2s);
  REQUIRE(worker.ended);
  CHECK(worker.ended->what == "unresponsive");
  CHECK(worker.ended->configured == 30'000);
  CHECK(worker.ended->observed == 32'000);
  CHECK(worker.ended->enforced_by == enforcer::daemon);
  CHECK(watch.heartbeats["missed"] == 3);
  worker.ended.reset();
  pass(100s);
  CHECK_FALSE(worker.ended); // Told once.
}

TEST_CASE_METHOD(beats_fixture, "a late answer counts", "[actors][unit]") {
  pass(30s);
  ++worker.words;
  pass(30s);
  CHECK_FALSE(worker.ended);
}

TEST_CASE_METHOD(beats_fixture, "answers have their time after the daemon itself stood still",
                 "[actors][unit]") {
  pass(2s);
  for (int n = 0; n < 10; ++n)
    beats.look(now += 60s); // It has not read anything meanwhile.
  CHECK_FALSE(worker.ended);
  CHECK(watch.heartbeats["missed"] == 0);
}

TEST_CASE_METHOD(beats_fixture, "one whose owner is gone is forgotten", "[actors][unit]") {
  held->of = nullptr;
  pass(100s);
  held.reset();
  pass(100s);
  CHECK(worker.asked == 0);
}

TEST_CASE("heartbeats can be off", "[actors][unit]") {
  boost::asio::io_context reactor{1};
  test::silent_observer watch;
  heartbeats beats{reactor, watch, {.interval = 0ms, .timeout = 10s, .missed = 3}};
  fake_heart worker;
  auto held = std::make_shared<pulse>();
  held->of = &worker;
  beats.add(held);
  for (int n = 1; n < 100; ++n)
    beats.look(clock_type::time_point{n * 1min});
  CHECK(worker.asked == 0);
}
