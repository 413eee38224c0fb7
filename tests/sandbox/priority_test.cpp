// SPDX-License-Identifier: Apache-2.0
#include "sandbox/priority.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <csignal>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace vivarium::sandbox;

TEST_CASE("a weight is a distance from the daemon's niceness", "[sandbox][unit]") {
  CHECK(niceness_of(100) == 5);
  CHECK(niceness_of(125) == 4);
  CHECK(niceness_of(80) == 6);
  CHECK(niceness_of(1) == 19);
  CHECK(niceness_of(0) == 19);
  CHECK(niceness_of(10'000) == 1);
}

TEST_CASE("a worker is made nicer than the daemon", "[sandbox][unit]") {
  auto child = ::fork();
  if (child == 0) {
    ::pause();
    ::_exit(0);
  }
  REQUIRE(child > 0);
  CHECK(make_nicer(child, 3));
  CHECK(::getpriority(PRIO_PROCESS, static_cast<id_t>(child))
        == std::min(::getpriority(PRIO_PROCESS, 0) + 3, 19));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  CHECK_FALSE(make_nicer(child, 3));
}
