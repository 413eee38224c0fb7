// SPDX-License-Identifier: Apache-2.0
// A sealed worker is given less from outside: each limit from both sides, beside a neighbour that
// keeps what it has.
#include "sandbox/memory.hpp"
#include "sandbox/tighten.hpp"
#include "tests/sandbox/jail_fixture.hpp"

#include <catch2/catch.hpp>

#include <cerrno>
#include <csignal>
#include <string>

#include <sys/resource.h>

using namespace vivarium;
using namespace vivarium::sandbox;
using namespace vivarium::sandbox::test;

namespace {

constexpr std::uint64_t mib = 1ull << 20;

worker_limits half() {
  auto out = inmate_plan().limits;
  out.memory_bytes = 32 * mib;
  out.threads = 4;
  out.descriptors = 32;
  out.file_bytes = 4 * mib;
  return out;
}

status tighten(const inmate& one, const worker_limits& to) {
  return tighten_worker(one.host_pid, one.listener.get(), one.size, to);
}

} // namespace

TEST_CASE("a sealed worker's limits are lowered from outside", "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  jail_under_test jail;
  jail.open();
  auto small = jail.make(1);
  auto neighbour = jail.make(2);
  REQUIRE(tighten(small, half()));
  auto got = small.ask("memory 4096 private");
  CHECK(got > 16);
  CHECK(got <= 32);
  CHECK(small.ask("open 100") == 32 - 5);
  CHECK(neighbour.ask("threads 100") == 7);
  CHECK(neighbour.ask("open 100") == 64 - 5);
  auto much = neighbour.ask("memory 4096 private");
  CHECK(much > 32);
  CHECK(jail.make(3).ask("threads 100") == 7);
  auto few = jail.make(4);
  REQUIRE(tighten(few, half()));
  CHECK(few.ask("threads 100") == 3);
}

TEST_CASE("a file ends at its limit, and the file system goes on", "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  jail_under_test jail;
  jail.open();
  auto worker = jail.make(1);
  REQUIRE(tighten(worker, half()));
  // The inmate's first file would have 8 MiB; SIGXFSZ ends who does not ignore it.
  worker.say("disk 6");
  auto end = jail.wait_for<worker_exited>();
  CHECK(end.worker == 1);
  CHECK((end.wait_status & 0x7f) == SIGXFSZ);
}

TEST_CASE("what was lowered cannot be raised again, by nobody", "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  jail_under_test jail;
  jail.open();
  auto worker = jail.make(1);
  REQUIRE(tighten(worker, half()));
  CHECK(tighten(worker, inmate_plan().limits)); // Which lowers what can be lowered: nothing.
  CHECK(worker.ask("open 100") == 32 - 5);
}

TEST_CASE("a worker that has ended is not touched: its number may be another's",
          "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  jail_under_test jail;
  jail.open();
  auto worker = jail.make(1);
  jail.end(1);
  auto refused = tighten(worker, half());
  REQUIRE_FALSE(refused);
  CHECK(refused.why().detail == "the worker has ended");
}

TEST_CASE("a worker's files are made smaller and larger from outside", "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  jail_under_test jail;
  jail.open();
  // Each has said its first word, as in the daemon, before anybody gives it anything.
  auto make = [&](std::uint64_t number) {
    auto made = jail.make(number);
    CHECK(made.ask("echo 1") == 1);
    return made;
  };
  auto resize = [&](std::uint64_t number, std::uint64_t bytes, std::uint32_t inodes) {
    REQUIRE(jail->resize(number, bytes, inodes));
    return jail.wait_for<worker_resized>([&](const auto& r) { return r.worker == number; })
        .errno_value;
  };
  auto small = make(1);
  auto large = make(2);
  auto neighbour = make(3);
  CHECK(resize(1, 2 * mib, 40) == 0);
  CHECK(resize(2, 32 * mib, 400) == 0);
  auto disk = read_disk(small.host_pid);
  REQUIRE(disk);
  CHECK(disk->bytes == 2 * mib);
  CHECK(disk->free_inodes <= 40 + 10);
  auto written = small.ask("disk 100");
  CHECK(written >= 1);
  CHECK(written <= 2);
  auto more = large.ask("disk 100");
  CHECK(more >= 30);
  CHECK(more <= 32);
  auto usual = neighbour.ask("disk 100");
  CHECK(usual >= 15);
  CHECK(usual <= 16);
  // What is in use is not taken away.
  CHECK(resize(2, 2 * mib, 400) == EINVAL);
  CHECK(resize(9, 2 * mib, 400) == ESRCH);
  auto files = make(4);
  CHECK(resize(4, 2 * mib, 40) == 0);
  auto made = files.ask("files 1000");
  CHECK(made >= 35);
  CHECK(made <= 45);
  CHECK(files.ask("echo 1") == 1);
}

TEST_CASE("the books of the kernel tell what a worker takes", "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  jail_under_test jail;
  jail.open();
  auto worker = jail.make(1);
  auto before = read_memory(worker.host_pid);
  REQUIRE(before);
  CHECK(before->threads == 1);
  CHECK(worker.ask("memory 24 private") == 24);
  CHECK(worker.ask("threads 3") == 3);
  auto after = read_memory(worker.host_pid);
  REQUIRE(after);
  // Kernels before 6.2 count up to 64 pages of each thread late.
  CHECK(after->taken() >= before->taken() + 23 * mib);
  CHECK(after->peak >= after->resident);
  CHECK(after->page_tables > 0);
  CHECK(after->threads == 4);
  CHECK(count_descriptors(worker.host_pid, 100) == 5u);
  CHECK(count_descriptors(worker.host_pid, 3) == 3u);
  jail.end(1);
  CHECK_FALSE(read_memory(worker.host_pid));
}
