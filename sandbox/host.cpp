// SPDX-License-Identifier: Apache-2.0
#include "sandbox/host.hpp"

#include "proto/unique_fd.hpp"
#include "sandbox/kernel.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <string_view>
#include <system_error>

#include <linux/filter.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

namespace vivarium::sandbox {

namespace {

std::string text_of(int errno_value) {
  return std::generic_category().message(errno_value);
}

/// Runs `attempt` in a child and returns its errno, 0 for success. The child has a copy of this
/// memory and calls nothing but system calls.
template <class Attempt>
int errno_in_child(unsigned long namespaces, Attempt attempt) {
  pid_t pid = kernel::clone_process(namespaces, nullptr);
  if (pid < 0)
    return errno;
  if (pid == 0)
    ::_exit(attempt() == 0 ? 0 : errno);
  int wait_status = 0;
  while (::waitpid(pid, &wait_status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : ECHILD;
}

host_fact fact_of(std::string name, int errno_value, std::string remedy) {
  bool present = errno_value == 0;
  return {std::move(name), present, true, present ? "works" : text_of(errno_value),
          present ? std::string{} : std::move(remedy)};
}

host_fact namespace_fact(std::string name, unsigned long flag) {
  int code = errno_in_child(CLONE_NEWUSER | flag, [] { return 0; });
  auto out =
      fact_of(std::move(name), code,
              "allow user namespaces: sysctl user.max_user_namespaces > 0, "
              "kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0; "
              "in a container, a seccomp profile that permits clone and unshare");
  out.dispensable = true;
  return out;
}

host_fact landlock_fact() {
  int abi = kernel::landlock_abi();
  bool present = abi >= 1;
  return {"landlock",
          present,
          true,
          present ? "ABI " + std::to_string(abi) : "not in this kernel",
          present ? ""
                  : "boot with lsm=landlock,... or a kernel built with CONFIG_SECURITY_LANDLOCK",
          true};
}

int load_with_listener() {
  sock_filter allow{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW};
  sock_fprog program{1, &allow};
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  unsigned flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
  return kernel::seccomp(SECCOMP_SET_MODE_FILTER, flags, &program) < 0 ? -1 : 0;
}

host_fact seccomp_fact() {
  return fact_of(
      "seccomp_notify", errno_in_child(0, load_with_listener),
      "a kernel of 5.19 or newer with CONFIG_SECCOMP_FILTER; in a container, a profile that "
      "permits seccomp(2)");
}

host_fact proc_fact() {
  // A container that hides parts of /proc forbids a fresh one, and the zygote measures itself
  // there.
  int code = errno_in_child(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID, [] {
    auto context = static_cast<int>(::syscall(SYS_fsopen, "proc", 0));
    if (context < 0 || ::syscall(SYS_fsconfig, context, 6 /* CREATE */, nullptr, nullptr, 0) != 0)
      return -1;
    return ::syscall(SYS_fsmount, context, 0, 0) < 0 ? -1 : 0;
  });
  return fact_of("own_proc", code,
                 "run where /proc is not partly hidden (docker: "
                 "--security-opt systempaths=unconfined)");
}

host_fact cgroup_fact(const cgroup_choice& choice) {
  auto site = find_cgroup(choice);
  host_fact out{"cgroup_v2", site.usable && site.memory, false, site.finding, ""};
  if (!out.present)
    out.remedy = "start under systemd with Delegate=yes; without it the memory limit is advisory "
                 "against a determined attacker";
  return out;
}

host_fact uid_range_fact() {
  host_fact out{"uid_range", ::geteuid() == 0, false, "", ""};
  out.finding = out.present ? "root: a host uid per worker"
                            : "one host uid: a user namespace per worker, kernel quotas are shared";
  if (!out.present)
    out.remedy = "run the daemon as root for a host uid per worker";
  return out;
}

host_fact descriptors_fact() {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  bool enough = files.rlim_max >= 4096;
  return {"descriptors", enough, false, "hard limit " + std::to_string(files.rlim_max),
          enough ? "" : "raise LimitNOFILE: a session takes three descriptors"};
}

} // namespace

void prefer_other_victims() {
  std::ofstream score{"/proc/self/oom_score_adj"};
  score << "-500";
}

std::vector<host_fact> probe_host(const cgroup_choice& cgroups) {
  std::vector<host_fact> out;
  out.push_back(namespace_fact("user_namespace", 0));
  out.push_back(namespace_fact("mount_namespace", CLONE_NEWNS));
  out.push_back(namespace_fact("pid_namespace", CLONE_NEWPID));
  out.push_back(namespace_fact("network_namespace", CLONE_NEWNET));
  out.push_back(namespace_fact("ipc_namespace", CLONE_NEWIPC));
  out.push_back(landlock_fact());
  out.push_back(seccomp_fact());
  out.push_back(proc_fact());
  out.push_back(cgroup_fact(cgroups));
  out.push_back(uid_range_fact());
  out.push_back(descriptors_fact());
  return out;
}

} // namespace vivarium::sandbox
