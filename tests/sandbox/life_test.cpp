// SPDX-License-Identifier: Apache-2.0
#include "sandbox/attest.hpp"
#include "sandbox/zygote_link.hpp"
#include "tests/sandbox/jail_fixture.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <csignal>
#include <set>

#include <poll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace vivarium;
using namespace vivarium::sandbox;
using namespace vivarium::sandbox::test;

namespace {

worker_exited exit_of(jail_under_test& jail, std::uint64_t number) {
  return jail.wait_for<worker_exited>([&](const worker_exited& e) { return e.worker == number; });
}

void gone(jail_under_test& jail, std::uint64_t number) {
  jail.wait_for<worker_gone>([&](const worker_gone& g) { return g.worker == number; });
}

// The jail's processes: outer, launcher, then zygotes and holders.
pid_t launcher_of(jail_under_test& jail) {
  return family_of(jail->launcher_pid()).at(1);
}

pid_t zygote_of(jail_under_test& jail) {
  for (auto pid : family_of(jail->launcher_pid()))
    if (text_of("/proc/" + std::to_string(pid) + "/comm") == "test_zygote\n"
        && link_of("/proc/" + std::to_string(pid) + "/ns/pid")
               == link_of("/proc/" + std::to_string(launcher_of(jail)) + "/ns/pid"))
      return pid;
  return -1;
}

bool all_dead(const std::vector<pid_t>& family) {
  return eventually([&] { return std::none_of(family.begin(), family.end(), is_alive); });
}

} // namespace

TEST_CASE("a worker is sealed, attested and answers", "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  jail_under_test jail;
  jail.open();
  auto worker = jail.make(1);
  auto attested = attest_worker(worker.host_pid, {});
  INFO((attested ? "" : attested.why().detail));
  CHECK(attested);
  CHECK(worker.ask("echo 42") == 42);
  CHECK(worker.ask("fds") == 0b11111);
  CHECK(cpu_time_of(worker.host_pid));
  CHECK(resident_bytes_of(worker.host_pid).value_or(0) > 0);
  CHECK(peak_resident_bytes_of(worker.host_pid).value_or(0) > 0);
  CHECK_FALSE(attest_worker(::getpid(), {}));
}

TEST_CASE("a worker has namespaces of its own", "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  jail_under_test jail;
  jail.open();
  auto one = jail.make(1);
  auto two = jail.make(2);
  auto space = [](pid_t pid, const std::string& name) {
    return link_of("/proc/" + std::to_string(pid) + "/ns/" + name);
  };
  for (auto name : {"user", "mnt", "pid", "net", "ipc", "uts", "cgroup"}) {
    INFO(name);
    REQUIRE_FALSE(space(one.host_pid, name).empty());
    CHECK(space(one.host_pid, name) != space(::getpid(), name));
  }
  for (auto name : {"mnt", "pid"})
    CHECK(space(one.host_pid, name) != space(two.host_pid, name));
  CHECK(one.ask(call(SYS_getpid)) == 2);
  CHECK(text_of("/proc/" + std::to_string(one.host_pid) + "/oom_score_adj") == "1000\n");
}

TEST_CASE("a killed worker is gone, with all that it left", "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  jail_under_test jail;
  jail.open();
  auto worker = jail.make(1);
  REQUIRE(jail->kill(1));
  REQUIRE(jail->kill(1));
  auto exited = exit_of(jail, 1);
  CHECK(WIFSIGNALED(exited.wait_status));
  CHECK(WTERMSIG(exited.wait_status) == SIGKILL);
  CHECK(exited.peak_memory_bytes > 0);
  gone(jail, 1);
  CHECK_FALSE(is_alive(worker.host_pid));
  CHECK(resident_bytes_of(worker.host_pid) == std::nullopt);
  pollfd listener{worker.listener.get(), POLLIN, 0};
  CHECK(::poll(&listener, 1, 0) == 1);
  CHECK((listener.revents & POLLHUP) != 0);
  // No second answer to the second order, and the jail goes on.
  jail.make(2);
  CHECK(jail.kept().empty());
}

TEST_CASE("a worker's own end is reported with its cause", "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  jail_under_test jail;
  jail.open();
  auto quits = jail.make(1);
  auto crashes = jail.make(2);
  CHECK(quits.ask_and_die("exit 7"));
  auto exited = exit_of(jail, 1);
  CHECK(WIFEXITED(exited.wait_status));
  CHECK(WEXITSTATUS(exited.wait_status) == 7);
  gone(jail, 1);
  CHECK(crashes.ask_and_die("crash"));
  auto crashed = exit_of(jail, 2);
  CHECK(WIFSIGNALED(crashed.wait_status));
  CHECK(WTERMSIG(crashed.wait_status) == SIGSEGV);
  gone(jail, 2);
}

TEST_CASE("a soft interrupt carries the execution's generation", "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  jail_under_test jail;
  jail.open();
  auto worker = jail.make(1);
  CHECK(worker.ask("interrupted") == 0); // The handler stands.
  REQUIRE(jail->interrupt(1, 77));
  CHECK(eventually([&] { return worker.ask("interrupted") == 77; }));
}

TEST_CASE("live workers survive the zygote's death", "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  jail_under_test jail;
  jail.open(1);
  auto worker = jail.make(1);
  auto other = jail.make(2);
  ::kill(zygote_of(jail), SIGKILL);
  auto ended = jail.wait_for<zygote_ended>();
  CHECK(ended.generation == 1);
  CHECK(WTERMSIG(ended.wait_status) == SIGKILL);
  CHECK(worker.ask("echo 5") == 5);
  REQUIRE(jail->spawn(3));
  CHECK(jail.wait_for<worker_failed>().worker == 3);
  CHECK(worker.ask_and_die("exit 9"));
  CHECK(WEXITSTATUS(exit_of(jail, 1).wait_status) == 9);
  gone(jail, 1);
  jail.open(2);
  auto fresh = jail.make(4);
  CHECK(fresh.ask("echo 6") == 6);
  CHECK(other.ask("echo 7") == 7);
  jail.end(2);
  CHECK(WTERMSIG(exit_of(jail, 2).wait_status) == SIGKILL);
}

TEST_CASE("a renewed zygote leaves the workers of the old one alone", "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  jail_under_test jail;
  jail.open(1);
  auto old = jail.make(1);
  auto first = zygote_of(jail);
  REQUIRE(jail->start_zygote(2));
  auto ended = jail.wait_for<zygote_ended>();
  CHECK(ended.generation == 1);
  CHECK(ended.wait_status == 0);
  jail.wait_for<zygote_ready>([](const zygote_ready& r) { return r.generation == 2; });
  CHECK_FALSE(is_alive(first));
  auto young = jail.make(2);
  CHECK(old.ask("echo 1") == 1);
  CHECK(young.ask("echo 2") == 2);
  jail.end(1);
  jail.end(2);
}

TEST_CASE("every order is answered when the zygote dies with orders outstanding",
          "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  jail_under_test jail;
  jail.open();
  auto zygote = zygote_of(jail);
  constexpr std::uint64_t orders = 40;
  for (std::uint64_t i = 1; i <= orders; ++i)
    REQUIRE(jail->spawn(i));
  jail.wait_for<worker_ready>([](const worker_ready& r) { return r.worker == 1; });
  ::kill(zygote, SIGKILL);
  jail.wait_for<zygote_ended>();
  std::set<std::uint64_t> answered{1};
  std::set<std::uint64_t> ready;
  auto count = [&](const jail_event& event) {
    if (auto* r = std::get_if<worker_ready>(&event)) {
      CHECK(answered.insert(r->worker).second);
      ready.insert(r->worker);
    }
    if (auto* f = std::get_if<worker_failed>(&event))
      CHECK(answered.insert(f->worker).second);
  };
  // All of them before the zygote's end was told.
  for (const auto& event : jail.kept())
    count(event);
  CHECK(answered.size() == orders);
  for (std::uint64_t i = 1; i <= orders; ++i)
    REQUIRE(jail->kill(i));
  // Outer process and launcher stay, nothing else.
  CHECK(eventually([&] {
    while (jail->receive()) {
    }
    return family_of(jail->launcher_pid()).size() == 2;
  }));
  jail.open(2);
  CHECK(jail.make(100).ask("echo 3") == 3);
}

TEST_CASE("nothing survives the launcher", "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  jail_under_test jail;
  jail.open();
  auto worker = jail.make(1);
  auto family = family_of(jail->launcher_pid());
  family.push_back(worker.host_pid);
  CHECK(family.size() >= 5);
  SECTION("killed inside") {
    ::kill(launcher_of(jail), SIGKILL);
  }
  SECTION("killed outside") {
    ::kill(jail->launcher_pid(), SIGKILL);
  }
  std::optional<jail_event> event;
  CHECK(eventually([&] {
    event = jail->receive();
    return event && std::holds_alternative<jail_ended>(*event);
  }));
  CHECK_FALSE(jail->receive());
  CHECK_FALSE(jail->spawn(2));
  CHECK(all_dead(family));
}

TEST_CASE("destroying the jail leaves no process and no descriptor", "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  auto before = own_descriptors();
  std::vector<pid_t> family;
  {
    jail_under_test jail;
    jail.open();
    auto one = jail.make(1);
    auto two = jail.make(2);
    family = family_of(jail->launcher_pid());
    family.push_back(one.host_pid);
  }
  CHECK(all_dead(family));
  CHECK(own_descriptors() == before);
}

TEST_CASE("a holder killed from outside takes its worker along", "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  jail_under_test jail;
  jail.open();
  auto worker = jail.make(1);
  auto neighbour = jail.make(2);
  auto mine = link_of("/proc/" + std::to_string(worker.host_pid) + "/ns/pid");
  pid_t holder = -1;
  for (auto pid : family_of(jail->launcher_pid()))
    if (pid != worker.host_pid && link_of("/proc/" + std::to_string(pid) + "/ns/pid") == mine)
      holder = pid;
  REQUIRE(holder > 0);
  ::kill(holder, SIGKILL);
  CHECK(WTERMSIG(exit_of(jail, 1).wait_status) == SIGKILL);
  gone(jail, 1);
  CHECK(neighbour.ask("echo 8") == 8);
}

TEST_CASE("two hundred workers come and go without a trace", "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  jail_under_test jail;
  jail.open();
  jail.make(1);
  jail.end(1);
  exit_of(jail, 1);
  auto descriptors = own_descriptors();
  auto mounts = text_of("/proc/self/mountinfo");
  auto launcher_fds = "/proc/" + std::to_string(launcher_of(jail)) + "/fdinfo";
  for (std::uint64_t i = 2; i < 202; ++i) {
    auto worker = jail.make(i);
    CHECK(worker.ask("echo 1") == 1);
    jail.end(i);
    exit_of(jail, i);
  }
  CHECK(own_descriptors() == descriptors);
  CHECK(family_of(jail->launcher_pid()).size() == 3);
  CHECK(text_of("/proc/self/mountinfo") == mounts);
  CHECK(jail.kept().empty());
}

TEST_CASE("a zygote that cannot start says why", "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  auto plan = inmate_plan();
  auto words = [&](const std::string& module) {
    plan.preload = {module};
    jail_under_test jail{plan};
    REQUIRE(jail->start_zygote(1));
    return jail.wait_for<zygote_ended>();
  };
  CHECK(words("complain").detail == "words on stderr\n");
  CHECK(words("missing").detail == "no module named 'missing'");
  CHECK(WTERMSIG(words("crash").wait_status) == SIGABRT);
  CHECK(words("threads").detail.find("thread") != std::string::npos);
  plan.python += "_that_is_not_there";
  auto absent = jail::start(plan);
  REQUIRE_FALSE(absent);
  CHECK(absent.why().detail.find("No such file") != std::string::npos);
  CHECK(absent.why().detail.find(plan.python) != std::string::npos);
}

TEST_CASE("a launcher that cannot start says why", "[sandbox][kernel]") {
  auto plan = inmate_plan();
  plan.launcher = "/nowhere/vivarium-zygote";
  auto started = jail::start(plan);
  REQUIRE_FALSE(started);
  CHECK(started.why().detail.find("/nowhere/vivarium-zygote") != std::string::npos);
  if (!can_sandbox())
    return;
  plan = inmate_plan();
  plan.runtime = "/nowhere/lib";
  jail_under_test jail{plan};
  std::optional<jail_event> event;
  CHECK(eventually([&] { return (event = jail->receive()).has_value(); }));
  REQUIRE(std::holds_alternative<jail_ended>(*event));
  CHECK(std::get<jail_ended>(*event).detail.find("/nowhere/lib") != std::string::npos);
}

TEST_CASE("a worker whose descriptors find no room is reported and ended", "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  jail_under_test jail;
  jail.open();
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  unique_fd lowest_free{::dup(STDIN_FILENO)};
  auto none_left = before;
  none_left.rlim_cur = static_cast<rlim_t>(lowest_free.get());
  lowest_free.reset();
  REQUIRE(jail->spawn(1));
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none_left) == 0);
  auto failed = jail.wait_for<worker_failed>();
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(failed.worker == 1);
  CHECK(failed.step == "descriptors");
  CHECK(failed.errno_value == EMFILE);
  gone(jail, 1);
  CHECK(jail.make(2).ask("echo 42") == 42);
}
