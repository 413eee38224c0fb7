// SPDX-License-Identifier: Apache-2.0
#include "actors/fair_queue.hpp"

#include <catch2/catch.hpp>

using namespace vivarium;

TEST_CASE("a party's flood waits behind itself", "[actors][unit]") {
  fair_queue<int> queue;
  for (int n = 0; n < 100; ++n)
    queue.push("noisy", n);
  queue.push("quiet", 1'000);
  queue.push("quiet", 1'001);
  CHECK(queue.size() == 102);
  CHECK(queue.parties() == 2);
  CHECK(queue.pop() == 0);
  CHECK(queue.pop() == 1'000);
  CHECK(queue.pop() == 1);
  CHECK(queue.pop() == 1'001);
  CHECK(queue.parties() == 1);
  for (int n = 2; n < 100; ++n)
    CHECK(queue.pop() == n);
  CHECK(queue.empty());
}

TEST_CASE("what is taken out is not counted", "[actors][unit]") {
  fair_queue<int> queue;
  queue.push("a", 1);
  queue.push("a", 2);
  queue.push("b", 1);
  queue.erase(1);
  CHECK(queue.size() == 1);
  CHECK(queue.parties() == 1);
  CHECK(queue.pop() == 2);
  CHECK(queue.empty());
  queue.erase(7);
  CHECK(queue.empty());
  for (int n = 0; n < 10; ++n)
    queue.push(n < 5 ? "a" : "b", n);
  queue.erase_if([](int n) { return n != 3; });
  CHECK(queue.size() == 1);
  CHECK(queue.parties() == 1);
  CHECK(queue.pop() == 3);
}
