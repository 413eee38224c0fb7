// SPDX-License-Identifier: Apache-2.0
// One attack per layer: stopped with the layer, successful in the twin that leaves it out.
#include "sandbox/attest.hpp"
#include "tests/sandbox/jail_fixture.hpp"

#include <catch2/catch.hpp>

#include <cerrno>
#include <csignal>
#include <string>

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace vivarium;
using namespace vivarium::sandbox;
using namespace vivarium::sandbox::test;

namespace {

/// Runs one attack in a fresh jail that lacks some layers and returns its answer.
long attack(std::initializer_list<layer> lacking, const std::string& line) {
  auto plan = inmate_plan();
  for (auto one : lacking)
    plan.without.insert(one);
  jail_under_test jail{plan};
  jail.open();
  auto worker = jail.make(1);
  CHECK(attest_worker(worker.host_pid, plan.without));
  return worker.ask(line);
}

std::string opening(const std::string& path, int flags) {
  return call(SYS_open, "s:" + path + " " + std::to_string(flags) + " 0600");
}

} // namespace

TEST_CASE("mount namespace: host files are not there", "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  auto look = opening("/proc/self/status", O_RDONLY);
  CHECK(attack({layer::landlock}, look) == -ENOENT);
  CHECK(attack({layer::landlock, layer::mount_namespace}, look) > 0);
}

TEST_CASE("mount namespace: the root is read-only", "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  jail_under_test jail{[] {
    auto plan = inmate_plan();
    plan.without.insert(layer::landlock);
    return plan;
  }()};
  jail.open();
  auto worker = jail.make(1);
  for (auto path : {"/x", "/etc/x", "/usr/x", "/usr/lib/x", "/dev/x", "/session/x"}) {
    INFO(path);
    auto answer = worker.ask(opening(path, O_WRONLY | O_CREAT));
    CHECK((answer == -EROFS || answer == -EACCES));
  }
  for (auto path : {"/tmp/x", "/dev/shm/x", "/workspace/x", "here"})
    CHECK(worker.ask(opening(path, O_WRONLY | O_CREAT)) > 0);
  for (auto path : {"/proc", "/sys", "/run", "/boot", "/mnt"}) {
    INFO(path);
    CHECK(worker.ask(std::string{"list "} + path) == -ENOENT);
  }
  CHECK(worker.ask("list /dev") == 6); // Five devices and the link to shm.
}

TEST_CASE("landlock: what is seen is not all that may be opened", "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  CHECK(attack({}, "list /") == -EACCES);
  CHECK(attack({layer::landlock}, "list /") > 0);
  auto host_file = opening("/proc/self/status", O_RDONLY);
  CHECK(attack({layer::mount_namespace}, host_file) == -EACCES);
}

TEST_CASE("landlock: the worker's own places and the system stay usable", "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  jail_under_test jail;
  jail.open();
  auto worker = jail.make(1);
  for (auto path : {"/tmp/x", "/dev/shm/x", "/workspace/x", "/session/fs/tmp/y", "x"})
    CHECK(worker.ask(opening(path, O_RDWR | O_CREAT | O_TRUNC)) > 0);
  for (auto path : {"/etc/passwd", "/etc/hosts", "/etc/ld.so.cache", "/usr/lib/os-release"}) {
    INFO(path);
    CHECK(worker.ask(opening(path, O_RDONLY)) > 0);
  }
  CHECK(worker.ask(opening("/dev/null", O_RDWR | O_TRUNC)) > 0);
  CHECK(worker.ask(opening("/dev/urandom", O_RDONLY)) > 0);
  CHECK(worker.ask("list /usr/lib") > 0);
}

TEST_CASE("pid namespace: siblings cannot be named", "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  jail_under_test jail;
  jail.open();
  auto one = jail.make(1);
  auto two = jail.make(2);
  // The holder: deaf to its own namespace, and where the uid or Landlock says so, out of reach.
  auto answer = one.ask(call(SYS_kill, "1 9"));
  CHECK((answer == 0 || answer == -EPERM));
  CHECK(one.ask("echo 0") == 0);
  for (long pid = 3; pid < 40; ++pid)
    CHECK(one.ask(call(SYS_kill, std::to_string(pid) + " 9")) == -ESRCH);
  CHECK(one.ask(call(SYS_kill, "-1 9")) == -ESRCH);
  CHECK(one.ask_and_die(call(SYS_kill, "0 9"))); // Its process group is its own.
  CHECK(two.ask("echo 1") == 1);
  CHECK(jail.make(3).ask("echo 2") == 2);
}

TEST_CASE("without it, and of the same uid, one worker kills another", "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  auto plan = inmate_plan();
  for (auto one : {layer::pid_namespace, layer::worker_uid, layer::landlock})
    plan.without.insert(one);
  jail_under_test jail{plan};
  jail.open();
  auto one = jail.make(1);
  auto two = jail.make(2);
  auto victim = two.ask(call(SYS_getpid));
  CHECK(one.ask(call(SYS_kill, std::to_string(victim) + " 9")) == 0);
  auto exited = jail.wait_for<worker_exited>();
  CHECK(exited.worker == 2);
  CHECK(WTERMSIG(exited.wait_status) == SIGKILL);
}

TEST_CASE("network namespace: the host's loopback is out of reach", "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  unique_fd server{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(where);
  REQUIRE(::bind(server.get(), reinterpret_cast<sockaddr*>(&where), size) == 0);
  REQUIRE(::listen(server.get(), 4) == 0);
  REQUIRE(::getsockname(server.get(), reinterpret_cast<sockaddr*>(&where), &size) == 0);
  auto line = "connect " + std::to_string(ntohs(where.sin_port));
  CHECK(attack({}, line) == -EACCES); // seccomp
  CHECK(attack({layer::seccomp, layer::landlock}, line) == -ENETUNREACH);
  CHECK(attack({layer::seccomp, layer::landlock, layer::network_namespace}, line) == 0);
}

TEST_CASE("ipc namespace: the host's shared memory is not there", "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  auto key = static_cast<key_t>(0x56000000 + ::getpid());
  int segment = ::shmget(key, 4096, IPC_CREAT | IPC_EXCL | 0666);
  REQUIRE(segment >= 0);
  auto line = call(SYS_shmget, std::to_string(key) + " 4096 0");
  CHECK(attack({layer::seccomp}, line) == -ENOENT);
  CHECK(attack({layer::seccomp, layer::ipc_namespace}, line) >= 0);
  ::shmctl(segment, IPC_RMID, nullptr);
}

TEST_CASE("capabilities: not even over the jail's own namespaces", "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  auto line = call(SYS_sethostname, "s:mine 4");
  CHECK(attack({layer::seccomp, layer::worker_uid}, line) == -EPERM);
  CHECK(attack({layer::seccomp, layer::worker_uid, layer::capabilities}, line) == 0);
}

TEST_CASE("user namespace: a jail's root is nobody outside", "[sandbox][kernel]") {
  if (!can_sandbox() || ::geteuid() != 0)
    return;
  auto line = call(SYS_mknod, "s:device 0x21b6 259"); // A character device, /dev/null's number.
  CHECK(attack({layer::seccomp, layer::landlock, layer::capabilities, layer::worker_uid}, line)
        == -EPERM);
  CHECK(attack({layer::seccomp, layer::landlock, layer::capabilities, layer::worker_uid,
                layer::user_namespace},
               line)
        == 0);
}

TEST_CASE("an ordinary user cannot leave the user namespace out", "[sandbox][kernel]") {
  if (!can_sandbox() || ::geteuid() == 0)
    return;
  auto plan = inmate_plan();
  plan.without.insert(layer::user_namespace);
  jail_under_test jail{plan};
  std::optional<jail_event> event;
  CHECK(eventually([&] { return (event = jail->receive()).has_value(); }));
  CHECK(std::holds_alternative<jail_ended>(*event));
}
