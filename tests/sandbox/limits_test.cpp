// SPDX-License-Identifier: Apache-2.0
// Attacks on what workers share: each ends at its own limit while a neighbour goes on.
#include "tests/sandbox/jail_fixture.hpp"

#include <catch2/catch.hpp>

#include <cerrno>
#include <csignal>
#include <string>

#include <sys/syscall.h>

using namespace vivarium;
using namespace vivarium::sandbox;
using namespace vivarium::sandbox::test;

TEST_CASE("a thread bomb ends at its own limit", "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  jail_under_test jail;
  jail.open();
  auto one = jail.make(1);
  auto two = jail.make(2);
  CHECK(one.ask("threads 100") == 7); // And the main thread.
  CHECK(two.ask("threads 100") == 7);
  CHECK(jail.make(3).ask("threads 5") == 5);
  jail.end(1);
}

TEST_CASE("without a uid or user namespace of its own a neighbour is starved",
          "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  jail_under_test jail{without({layer::worker_uid})};
  jail.open();
  auto one = jail.make(1);
  auto two = jail.make(2);
  one.ask("threads 100");
  CHECK(two.ask("threads 100") < 7);
}

TEST_CASE("a fork bomb is refused, and limited where it is not", "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  {
    jail_under_test jail;
    jail.open();
    CHECK(jail.make(1).ask("fork 100") == 0);
  }
  jail_under_test jail{without({layer::seccomp})};
  jail.open();
  auto bomb = jail.make(1);
  auto neighbour = jail.make(2);
  CHECK(bomb.ask("fork 100") == 7);
  CHECK(neighbour.ask("echo 1") == 1);
  auto family = family_of(bomb.host_pid);
  CHECK(family.size() == 8);
  jail.end(1);
  for (auto pid : family)
    CHECK_FALSE(is_alive(pid));
  CHECK(neighbour.ask("echo 2") == 2);
}

TEST_CASE("memory ends at the limit", "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  jail_under_test jail;
  jail.open();
  auto private_one = jail.make(1);
  auto got = private_one.ask("memory 4096 private");
  CHECK(got > 32);
  CHECK(got <= 64);
  // Shared mappings are not data: they end with the address space, which has room for threads.
  CHECK(jail.make(2).ask("memory 4096 shared") <= 64 + 72 * 8);
  CHECK(private_one.ask("echo 1") == 1);
}

TEST_CASE("without rlimits memory, descriptors and threads have no end", "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  jail_under_test jail{without({layer::rlimits})};
  jail.open();
  auto worker = jail.make(1);
  CHECK(worker.ask("memory 80 private") == 80);
  CHECK(worker.ask("open 100") == 100);
  CHECK(worker.ask("threads 20") == 20);
}

TEST_CASE("descriptors end at the limit", "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  jail_under_test jail;
  jail.open();
  auto worker = jail.make(1);
  CHECK(worker.ask("open 100") == 64 - 5);
  CHECK(worker.ask("open 100") == 64 - 5);
}

TEST_CASE("a full disk is the worker's own", "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  jail_under_test jail;
  jail.open();
  auto full = jail.make(1);
  auto files = jail.make(2);
  auto neighbour = jail.make(3);
  auto written = full.ask("disk 100");
  CHECK(written >= 15);
  CHECK(written <= 16);
  auto made = files.ask("files 1000");
  CHECK(made >= 195);
  CHECK(made <= 205);
  CHECK(neighbour.ask("disk 8") == 8);
  CHECK(full.ask("echo 1") == 1);
}

TEST_CASE("a stopped worker can be killed", "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  jail_under_test jail;
  jail.open();
  auto worker = jail.make(1);
  worker.say(call(SYS_kill, "2 " + std::to_string(SIGSTOP)));
  jail.end(1);
}

TEST_CASE("a worker killed while the next is made costs only itself", "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  jail_under_test jail;
  jail.open();
  constexpr std::uint64_t orders = 60;
  for (std::uint64_t i = 1; i <= orders; ++i) {
    REQUIRE(jail->spawn(i));
    if (i % 3 == 0)
      REQUIRE(jail->kill(i));
  }
  for (std::uint64_t i = 1; i <= orders; ++i) {
    bool answered = false;
    if (i % 3 == 0) {
      // Ready or failed, whichever came first; both are an answer.
      for (const auto& event : jail.kept())
        if (auto* failed = std::get_if<worker_failed>(&event))
          answered = answered || failed->worker == i;
    }
    if (!answered && i % 3 != 0)
      jail.wait_for<worker_ready>([&](const worker_ready& r) { return r.worker == i; });
  }
  CHECK(jail.make(orders + 1).ask("echo 9") == 9);
}
