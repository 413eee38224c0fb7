// SPDX-License-Identifier: Apache-2.0
// What is seen from outside of a worker's processes.
#include "sandbox/family.hpp"
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
  CHECK(used.resident_bytes > other.used().resident_bytes);
  // Nothing of it outlives the worker.
  CHECK(worker.ask_and_die("exit 0"));
  CHECK(eventually([&] {
    auto left = mine.members();
    return std::none_of(left.begin(), left.end(), is_alive);
  }));
}
