// SPDX-License-Identifier: Apache-2.0
// What is seen from outside of a worker's processes.
#include "sandbox/family.hpp"
#include "sandbox/memory.hpp"
#include "tests/sandbox/jail_fixture.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace vivarium;
using namespace vivarium::sandbox;
using namespace vivarium::sandbox::test;

TEST_CASE("a family is the worker and what it started, not its neighbours", "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  jail_under_test jail{without({layer::seccomp})}; // Nobody is there to allow the forks.
  jail.open();
  auto worker = jail.make(1);
  auto neighbour = jail.make(2);
  family mine{worker.host_pid};
  family other{neighbour.host_pid};
  CHECK(mine.members() == std::vector<pid_t>{worker.host_pid});
  REQUIRE(worker.ask("fork 3") == 3);
  auto members = mine.members();
  CHECK(members.size() == 4);
  CHECK(members.front() == worker.host_pid);
  CHECK(std::count(members.begin(), members.end(), neighbour.host_pid) == 0);
  CHECK(other.members() == std::vector<pid_t>{neighbour.host_pid});
  auto used = mine.used();
  CHECK(used.processes == 4);
  CHECK(used.memory_bytes > 0);
  CHECK(other.used().processes == 1);
  // Each takes its part of what they share: not three times what the worker has.
  auto alone = read_memory(worker.host_pid);
  REQUIRE(alone);
  CHECK(used.memory_bytes < 3 * alone->taken());
  // Nothing of it outlives the worker.
  CHECK(worker.ask_and_die("exit 0"));
  CHECK(eventually([&] {
    auto left = mine.members();
    return std::none_of(left.begin(), left.end(), is_alive);
  }));
}
