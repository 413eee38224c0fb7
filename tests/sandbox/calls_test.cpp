// SPDX-License-Identifier: Apache-2.0
// What the seccomp filter refuses, and that it is the filter which does.
#include "tests/sandbox/jail_fixture.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <string>

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

using namespace vivarium;
using namespace vivarium::sandbox;
using namespace vivarium::sandbox::test;

namespace {

struct refused_call {
  std::string name;
  long number;
  std::string arguments;
  int errno_value;
  bool recorded; ///< Goes through the listener.
};

const std::vector<refused_call>& refused_calls() {
  static const std::vector<refused_call> all{
      {"fork", SYS_fork, "", EPERM, true},
      {"vfork", SYS_vfork, "", EPERM, true},
      {"clone", SYS_clone, "17 0 0 0 0", EPERM, true},
      {"clone", SYS_clone, std::to_string(CLONE_NEWUSER | SIGCHLD) + " 0 0 0 0", EPERM, true},
      {"clone3", SYS_clone3, "b: 88", ENOSYS, false},
      {"execve", SYS_execve, "s:/usr/bin/true 0 0", EPERM, true},
      {"execveat", SYS_execveat, "3 s: 0 0 0x1000", EPERM, true},
      {"setsid", SYS_setsid, "", EPERM, false},
      {"setpgid", SYS_setpgid, "0 0", EPERM, false},
      {"unshare", SYS_unshare, std::to_string(CLONE_NEWUSER), EPERM, true},
      {"setns", SYS_setns, "3 0", EPERM, true},
      {"mount", SYS_mount, "s:x s:/session/fs s:tmpfs 0 0", EPERM, true},
      {"open_by_handle_at", SYS_open_by_handle_at, "3 b: 0", EPERM, true},
      {"process_vm_readv", SYS_process_vm_readv, "1 b: 1 b: 1 0", EPERM, true},
      {"pidfd_open", SYS_pidfd_open, "1 0", EPERM, true},
      {"prlimit64", SYS_prlimit64, "1 7 0 b:", EPERM, true},
      {"sched_setaffinity", SYS_sched_setaffinity, "0 8 b:", EPERM, false},
      {"sched_setscheduler", SYS_sched_setscheduler, "1 0 b:", EPERM, true},
      {"setpriority", SYS_setpriority, "0 1 5", EPERM, false},
      {"seccomp", SYS_seccomp, "1 0 b:", EPERM, true},
      {"prctl", SYS_prctl, "4 1", EINVAL, true}, // PR_SET_DUMPABLE
      {"socket", SYS_socket, std::to_string(AF_UNIX) + " 1 0", EAFNOSUPPORT, false},
      {"socket", SYS_socket, std::to_string(AF_NETLINK) + " 3 0", EAFNOSUPPORT, true},
      {"socket", SYS_socket, std::to_string(AF_INET) + " 2 0", EACCES, true},
      {"socket", SYS_socket, std::to_string(AF_INET6) + " 2 0", EACCES, true},
      {"socket", SYS_socket, std::to_string(AF_INET) + " 3 1", EAFNOSUPPORT, true}, // ICMP
      {"socket", SYS_socket, "0x100000002 1 0", EAFNOSUPPORT, true}, // Dirty upper half.
      {"socketpair", SYS_socketpair, "1 2 0 b:", EAFNOSUPPORT, true},
      {"bind", SYS_bind, "3 b: 16", EPERM, true},
      {"listen", SYS_listen, "3 1", EPERM, true},
      {"accept4", SYS_accept4, "3 0 0 0", EPERM, true},
      {"connect", SYS_connect, "3 b: 16", EACCES, true},
      {"sendto", SYS_sendto, "3 b: 1 0 b: 16", EPERM, true},
      {"sendto", SYS_sendto, "3 b: 1 0x20000000 0 0", EPERM, true}, // MSG_FASTOPEN
      {"sendmsg", SYS_sendmsg, "3 b: 0x20000000", EPERM, true},
      {"setsockopt", SYS_setsockopt, "3 1 13 b: 8", ENOPROTOOPT, true}, // SO_LINGER
      {"fcntl", SYS_fcntl, "3 8 1", EINVAL, true},                      // F_SETOWN
      {"fcntl", SYS_fcntl, "3 10 9", EINVAL, true},                     // F_SETSIG
      {"fcntl", SYS_fcntl, "3 4 0x2000", EINVAL, true},                 // F_SETFL, O_ASYNC
      {"fcntl", SYS_fcntl, "3 1024 0", EINVAL, true},                   // F_SETLEASE
      {"fcntl", SYS_fcntl, "4 1031 1048576", EINVAL, true},             // F_SETPIPE_SZ
      {"ioctl", SYS_ioctl, "3 0x5412 b:", ENOTTY, true},                // TIOCSTI
      {"ioctl", SYS_ioctl, "3 0x5452 b:", ENOTTY, true},                // FIOASYNC
      {"madvise", SYS_madvise, "0 4096 12", EINVAL, true},              // MADV_MERGEABLE
      {"memfd_create", SYS_memfd_create, "s:x 0", EPERM, false},
      {"memfd_secret", 447, "0", EPERM, true},
      {"setxattr", SYS_setxattr, "s:. s:user.x b: 1 0", ENOTSUP, false},
      {"inotify_init1", SYS_inotify_init1, "0", ENOSYS, false},
      {"fanotify_init", SYS_fanotify_init, "0 0", EPERM, true},
      {"shmget", SYS_shmget, "1 4096 0x3ff", EPERM, true},
      {"msgget", SYS_msgget, "1 0x3ff", EPERM, true},
      {"mq_open", SYS_mq_open, "s:x 0x42 0x1ff 0", EPERM, true},
      {"mknod", SYS_mknod, "s:dev 0x21b6 259", EPERM, true},
      {"chroot", SYS_chroot, "s:/", EPERM, true},
      {"openat2", SYS_openat2, "0 s:/ b: 24", ENOSYS, false},
      {"cachestat", 451, "0 0 0 0", ENOSYS, false},
      {"reboot", SYS_reboot, "0 0 0 0", EPERM, true},
      {"init_module", SYS_init_module, "b: 0 s:x", EPERM, true},
  };
  return all;
}

} // namespace

TEST_CASE("refused calls get their errno and are recorded by name", "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  jail_under_test jail;
  jail.open();
  auto worker = jail.make(1);
  for (const auto& attack : refused_calls()) {
    INFO(attack.name << " " << attack.arguments);
    worker.denied.clear();
    CHECK(worker.ask(call(attack.number, attack.arguments)) == -attack.errno_value);
    REQUIRE(worker.denied.size() == (attack.recorded ? 1 : 0));
    if (attack.recorded) {
      CHECK(worker.denied[0].name == attack.name);
      CHECK(worker.denied[0].pid == worker.host_pid);
      CHECK(worker.denied[0].errno_value == attack.errno_value);
    }
  }
  CHECK(worker.ask("echo 1") == 1);
}

TEST_CASE("without the filter the same calls reach the kernel", "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  jail_under_test jail{without({layer::seccomp})};
  jail.open();
  auto worker = jail.make(1);
  CHECK(worker.ask(call(SYS_fork)) > 0);
  CHECK(worker.ask(call(SYS_memfd_create, "s:x 0")) > 0);
  CHECK(worker.ask(call(SYS_inotify_init1, "0")) > 0);
  CHECK(worker.ask(call(SYS_socket, "1 1 0")) > 0);
  CHECK(worker.ask(call(SYS_socket, "0x100000002 1 0")) > 0);
  CHECK(worker.ask(call(SYS_socketpair, "1 2 0 b:")) == 0);
  CHECK(worker.ask(call(SYS_pidfd_open, "1 0")) > 0);
  CHECK(worker.ask(call(SYS_shmget, "1 4096 0x3ff")) >= 0);
  CHECK(worker.ask(call(SYS_fcntl, "4 1031 8192")) == 8192);
  CHECK(worker.ask(call(SYS_prctl, "4 1")) == 0);
  CHECK(worker.ask(call(SYS_unshare, std::to_string(CLONE_NEWUSER))) == 0);
  CHECK(worker.denied.empty());
}

TEST_CASE("calls without honest use kill the worker", "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  jail_under_test jail;
  jail.open();
  std::uint64_t number = 0;
  for (long deadly : {SYS_ptrace, SYS_bpf, SYS_keyctl, SYS_add_key, SYS_request_key, SYS_kexec_load,
                      SYS_userfaultfd, SYS_perf_event_open, SYS_io_uring_setup}) {
    INFO(deadly);
    auto worker = jail.make(++number);
    CHECK(worker.ask_and_die(call(deadly, "0 0 0 0 0 0")));
    auto exited =
        jail.wait_for<worker_exited>([&](const worker_exited& e) { return e.worker == number; });
    CHECK(WIFSIGNALED(exited.wait_status));
    CHECK(WTERMSIG(exited.wait_status) == SIGKILL);
    REQUIRE(worker.denied.size() == 1);
    CHECK(worker.denied.front().number == deadly);
    CHECK(worker.denied.front().killed == worker.host_pid);
  }
  // Of another table of calls, no number would say which one it was: the kernel kills by itself.
  for (const auto& other : {call(0x40000000 | SYS_getpid, "0 0 0 0 0 0"), std::string{"int80"}}) {
    auto worker = jail.make(++number);
    CHECK(worker.ask_and_die(other));
    auto exited =
        jail.wait_for<worker_exited>([&](const worker_exited& e) { return e.worker == number; });
    CHECK(WTERMSIG(exited.wait_status) == SIGSYS);
    CHECK(worker.denied.empty());
  }
}

TEST_CASE("without the filter the deadly calls return", "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  jail_under_test jail{without({layer::seccomp})};
  jail.open();
  auto worker = jail.make(1);
  CHECK(worker.ask(call(SYS_ptrace, "0 0 0 0")) == 0); // PTRACE_TRACEME
  CHECK(worker.ask(call(SYS_keyctl, "0 0 0 0 0 0")) != -ENOTTY);
}

TEST_CASE("a worker waiting for the daemon's answer can still be killed", "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  jail_under_test jail;
  jail.open();
  auto worker = jail.make(1);
  worker.say(call(SYS_fork)); // Nobody answers.
  jail.end(1);
  auto left = drain_denials(worker.listener.get(), 8, [](const denied_call&) {});
  REQUIRE(left);
  CHECK(*left == 0);
}

TEST_CASE("a closed listener refuses instead of blocking", "[sandbox][kernel]") {
  if (!can_sandbox())
    return;
  jail_under_test jail;
  jail.open();
  auto worker = jail.make(1);
  worker.listener.reset();
  CHECK(worker.ask(call(SYS_listen, "3 1")) == -ENOSYS);
}
