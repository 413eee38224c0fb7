// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/src/task_pool.hpp"

#include <catch2/catch.hpp>

#include <atomic>
#include <future>
#include <set>
#include <thread>

using namespace vivarium::detail;
using namespace std::chrono_literals;

TEST_CASE("a thread is made when all others are at work, up to the number", "[clients][unit]") {
  task_pool pool{2};
  CHECK_FALSE(pool.started());
  std::promise<void> open;
  const auto gate = open.get_future().share();
  std::promise<void> first;
  std::promise<void> second;
  pool.run([&] {
    first.set_value();
    gate.wait();
  });
  pool.run([&] {
    second.set_value();
    gate.wait();
  });
  REQUIRE(first.get_future().wait_for(60s) == std::future_status::ready);
  REQUIRE(second.get_future().wait_for(60s) == std::future_status::ready);
  std::promise<void> third;
  pool.run([&] { third.set_value(); });
  auto ran = third.get_future();
  CHECK(ran.wait_for(0s) == std::future_status::timeout);
  open.set_value();
  CHECK(ran.wait_for(60s) == std::future_status::ready);
  CHECK(pool.started());
}

TEST_CASE("tasks that have not begun when a pool is stopped are let go of", "[clients][unit]") {
  auto held = std::make_shared<int>(1);
  std::atomic<int> ran = 0;
  std::promise<void> begun;
  std::promise<void> open;
  task_pool pool{1};
  pool.run([&, gate = open.get_future().share()] {
    begun.set_value();
    gate.wait();
    ++ran;
  });
  pool.run([held, &ran] { ++ran; });
  begun.get_future().wait();
  auto stopping = std::async(std::launch::async, [&pool] { pool.stop(); });
  pool.run([held, &ran] { ++ran; });
  open.set_value();
  stopping.get();
  pool.run([held, &ran] { ++ran; });
  CHECK(held.use_count() == 1);
  CHECK(ran >= 1);
}

TEST_CASE("a pool may be ended by a task of its own", "[clients][unit]") {
  auto pool = std::make_unique<task_pool>(3);
  std::promise<void> ended;
  pool->run([&] {
    pool.reset();
    ended.set_value();
  });
  CHECK(ended.get_future().wait_for(60s) == std::future_status::ready);
  CHECK_FALSE(pool);
}
