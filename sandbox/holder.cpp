// SPDX-License-Identifier: Apache-2.0
#include "sandbox/holder.hpp"

#include "sandbox/kernel.hpp"

#include <csignal>

#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace vivarium::sandbox {

namespace {

[[noreturn]] void hold() {
  kernel::close_from(0);
  // Ignored SIGCHLD: the kernel reaps orphans of the worker by itself, and no code of ours runs.
  ::signal(SIGCHLD, SIG_IGN);
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2] = {};
  ::syscall(SYS_capset, &header, none);
  for (;;)
    ::pause();
}

} // namespace

holder start_holder(pid_space space) {
  int pidfd = -1;
  holder out;
  out.pid = kernel::clone_process(space == pid_space::own ? CLONE_NEWPID : 0, &pidfd);
  if (out.pid == 0)
    hold();
  if (out.pid > 0)
    out.pidfd.reset(pidfd);
  return out;
}

} // namespace vivarium::sandbox
