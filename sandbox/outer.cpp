// SPDX-License-Identifier: Apache-2.0
#include "sandbox/outer.hpp"

#include "sandbox/control.hpp"
#include "sandbox/kernel.hpp"
#include "sandbox/plan_codec.hpp"
#include "sandbox/root_fs.hpp"

#include <cerrno>
#include <csignal>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace vivarium::sandbox {

namespace {

int give_up(const error& why) {
  control::message failed{control::kind::jail_failed};
  failed.say(why.detail);
  control::send(control::control_fd, failed);
  return 1;
}

status write_file(const std::string& path, const std::string& content) {
  unique_fd fd{::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
  if (!fd)
    return os_error("open", path, errno);
  if (::write(fd.get(), content.data(), content.size()) != static_cast<ssize_t>(content.size()))
    return os_error("write", path, errno);
  return done{};
}

status write_maps(const jailed_plan& plan, pid_t inner) {
  auto base = "/proc/" + std::to_string(inner);
  std::string uids;
  std::string gids;
  if (plan.mode == uid_mode::range) {
    // Host uid 0 is never mapped: it would be exempt from RLIMIT_NPROC and own the host's files.
    uids = gids = "0 " + std::to_string(plan.plan.uid_base) + " 65536\n";
  } else {
    if (auto denied = write_file(base + "/setgroups", "deny"); !denied)
      return denied;
    uids = "0 " + std::to_string(plan.outer_uid) + " 1\n";
    gids = "0 " + std::to_string(plan.outer_gid) + " 1\n";
  }
  if (auto written = write_file(base + "/uid_map", uids); !written)
    return written;
  return write_file(base + "/gid_map", gids);
}

status become_jail_root(const jailed_plan& plan) {
  if (!plan.has(layer::user_namespace))
    return done{};
  if (plan.mode == uid_mode::range && ::setgroups(0, nullptr) != 0)
    return os_error("setgroups", "", errno);
  if (::setresgid(0, 0, 0) != 0 || ::setresuid(0, 0, 0) != 0)
    return os_error("setresuid", "0", errno);
  return done{};
}

/// Process 1 until its second exec: it still sees the host, and builds what will be all it sees.
int run_inner(const jailed_plan& plan, int outer_alive, int self) {
  ::umask(022);
  jail_root root{plan};
  // The sources are opened while files of the daemon's own uid are still readable.
  if (auto ready = root.open_sources(); !ready)
    return give_up(ready.why());
  if (auto changed = become_jail_root(plan); !changed)
    return give_up(changed.why());
  // After the uid change, which clears it. Should the outer process be gone already, `outer_fd`
  // hangs up and the launcher sees that.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  // While the host's /proc is still in sight: the kernel asks for that.
  auto proc = root.mount_proc();
  if (!proc)
    return give_up(proc.why());
  if (auto built = root.build(); !built)
    return give_up(built.why());
  // Above the numbers that the launcher expects them at.
  int high_alive = ::fcntl(outer_alive, F_DUPFD_CLOEXEC, 20);
  int high_proc = ::fcntl(proc->get(), F_DUPFD_CLOEXEC, 20);
  int high_self = ::fcntl(self, F_DUPFD_CLOEXEC, 20);
  for (int fd : {control::control_fd, control::life_fd, control::plan_fd})
    ::fcntl(fd, F_SETFD, 0);
  ::dup2(high_alive, control::outer_fd);
  ::dup2(high_proc, control::proc_fd);
  // Exec makes the jail's user namespace the owner of this memory: what is not dumpable in the jail
  // then answers to the jail's root, the zygote, and to nobody inside with less.
  char name[] = "vivarium-zygote";
  char inner[] = "--inner";
  char* arguments[] = {name, inner, nullptr};
  char* environment[] = {nullptr};
  ::syscall(SYS_execveat, high_self, "", arguments, environment, AT_EMPTY_PATH);
  return give_up(os_error("execveat", "the launcher", errno));
}

int stand_by(int inner_pidfd, pid_t inner) {
  pollfd watched[] = {{control::life_fd, 0, 0}, {inner_pidfd, POLLIN, 0}};
  while (watched[0].revents == 0 && watched[1].revents == 0)
    if (::poll(watched, 2, -1) < 0 && errno != EINTR)
      break;
  ::kill(inner, SIGKILL);
  int wait_status = 0;
  while (::waitpid(inner, &wait_status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

} // namespace

int run_outer() {
  ::setsid();
  if (::chdir("/") != 0)
    return 1;
  auto plan = decode_plan(control::plan_fd);
  if (!plan)
    return give_up({errc::malformed, "the plan cannot be read"});
  if (!plan->has(layer::user_namespace) && plan->mode == uid_mode::single)
    return give_up({errc::sandbox_unavailable, "only root can do without a user namespace"});
  unique_fd self{::open("/proc/self/exe", O_RDONLY | O_CLOEXEC)};
  int go[2] = {-1, -1};
  if (!self || ::pipe2(go, O_CLOEXEC) != 0)
    return give_up(os_error("open", "/proc/self/exe", errno));
  unsigned long spaces = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWCGROUP;
  spaces |= plan->has(layer::user_namespace) ? CLONE_NEWUSER : 0;
  spaces |= plan->has(layer::network_namespace) ? CLONE_NEWNET : 0;
  spaces |= plan->has(layer::ipc_namespace) ? CLONE_NEWIPC : 0;
  int pidfd = -1;
  pid_t inner = kernel::clone_process(spaces, &pidfd);
  if (inner < 0)
    return give_up(os_error("clone", "with new namespaces", errno));
  if (inner == 0) {
    ::close(go[1]);
    char token = 0;
    if (::read(go[0], &token, 1) != 1)
      return 1;
    return run_inner(*plan, go[0], self.get());
  }
  ::close(go[0]);
  if (plan->has(layer::user_namespace))
    if (auto mapped = write_maps(*plan, inner); !mapped) {
      int code = give_up(mapped.why());
      ::kill(inner, SIGKILL);
      ::waitpid(inner, nullptr, 0);
      return code;
    }
  // The other end of `go` stays open for as long as this process lives: see `outer_fd`.
  if (::write(go[1], "g", 1) != 1)
    return give_up(os_error("write", "to the launcher", errno));
  ::close(control::control_fd); // Else the daemon would not see the jail's end.
  return stand_by(pidfd, inner);
}

} // namespace vivarium::sandbox
