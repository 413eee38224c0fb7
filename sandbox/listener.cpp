// SPDX-License-Identifier: Apache-2.0
#include "sandbox/listener.hpp"

#include <seccomp.h>

#include <cerrno>
#include <cstdlib>

#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>

namespace vivarium::sandbox {

namespace {

// What honest programs expect: a refusal that reads as "you may not" where that is the matter, and
// as "there is no such thing" where they have a way around.
int errno_for(int call) {
  switch (call) {
    case SCMP_SYS(socket):
    case SCMP_SYS(socketpair): return EAFNOSUPPORT;
    case SCMP_SYS(connect): return EACCES;
    case SCMP_SYS(ioctl): return ENOTTY;
    case SCMP_SYS(fcntl):
    case SCMP_SYS(prctl):
    case SCMP_SYS(madvise): return EINVAL;
    case SCMP_SYS(setsockopt): return ENOPROTOOPT;
    default: return EPERM;
  }
}

std::string name_of_call(int call) {
  char* name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, call);
  std::string out = name ? name : "call " + std::to_string(call);
  std::free(name);
  return out;
}

bool readable(int listener) {
  pollfd watched{listener, POLLIN, 0};
  return ::poll(&watched, 1, 0) == 1 && (watched.revents & POLLIN) != 0;
}

} // namespace

result<int> drain_denials(int listener, int at_most,
                          const std::function<void(const denied_call&)>& note) {
  int answered = 0;
  // Asked before each: receiving would block when the caller was killed in between.
  while (answered < at_most && readable(listener)) {
    seccomp_notif request{};
    if (::ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request) != 0) {
      if (errno == ENOENT || errno == EINTR)
        continue;
      return os_error("ioctl", "SECCOMP_IOCTL_NOTIF_RECV", errno);
    }
    seccomp_notif_resp answer{};
    answer.id = request.id;
    answer.error = -errno_for(request.data.nr);
    if (::ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) != 0 && errno != ENOENT)
      return os_error("ioctl", "SECCOMP_IOCTL_NOTIF_SEND", errno);
    ++answered;
    note({static_cast<pid_t>(request.pid), request.data.nr, name_of_call(request.data.nr),
          -answer.error});
  }
  return answered;
}

} // namespace vivarium::sandbox
