// SPDX-License-Identifier: Apache-2.0
#include "sandbox/listener.hpp"

#include "proto/unique_fd.hpp"
#include "sandbox/attest.hpp"
#include "sandbox/kernel.hpp"
#include "sandbox/seccomp_lists.hpp"

#include <seccomp.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <iterator>

#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace vivarium::sandbox {

namespace {

constexpr std::uint64_t fork_flags = 0x1200011; // CHILD_SETTID, CHILD_CLEARTID, SIGCHLD
constexpr std::uint64_t spawn_flags = 0x4111;   // VM, VFORK, SIGCHLD: posix_spawn, system

// What honest programs expect: a refusal that reads as "you may not" where that is the matter, and
// as "there is no such thing" where they have a way around.
int errno_for(const caught_call& call) {
  switch (call.number) {
    case SCMP_SYS(socket): {
      bool datagrams = (call.arguments[0] == AF_INET || call.arguments[0] == AF_INET6)
                       && (call.arguments[1] & 0xf) == SOCK_DGRAM;
      return datagrams ? EACCES : EAFNOSUPPORT;
    }
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

bool is_deadly(const caught_call& call) noexcept {
  return std::find(std::begin(deadly_calls), std::end(deadly_calls), call.number)
         != std::end(deadly_calls);
}

/// Kills the process that makes the call, if it still does. Returns which one that is, else 0.
pid_t kill_caller(int listener, const caught_call& call) {
  auto process = process_of(call.thread);
  if (process == 0)
    return 0;
  unique_fd held{static_cast<int>(::syscall(SYS_pidfd_open, process, 0))};
  // Found by number: if the caller stands here still, it was the caller's.
  bool ended = held && still_waits(listener, call)
               && ::syscall(SYS_pidfd_send_signal, held.get(), SIGKILL, nullptr, 0) == 0;
  return ended ? process : 0;
}

} // namespace

call_kind kind_of(const caught_call& call) noexcept {
  switch (call.number) {
    case SCMP_SYS(connect): return call_kind::connect;
    case SCMP_SYS(fork):
    case SCMP_SYS(vfork): return call_kind::fork;
    case SCMP_SYS(clone): {
      // Any other flag would be a thread with parts of its own, or a namespace.
      auto flags = call.arguments[0];
      return flags == fork_flags || flags == spawn_flags ? call_kind::fork : call_kind::other;
    }
    case SCMP_SYS(execve): return call_kind::exec;
    case SCMP_SYS(setsid):
    case SCMP_SYS(setpgid): return call_kind::group;
    case SCMP_SYS(socket): {
      constexpr std::uint64_t flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
      const auto& a = call.arguments;
      bool stream = a[0] == AF_UNIX && (a[1] & ~flags) == SOCK_STREAM && a[2] == 0;
      return stream ? call_kind::local : call_kind::other;
    }
    case SCMP_SYS(bind):
    case SCMP_SYS(listen):
    case SCMP_SYS(accept):
    case SCMP_SYS(accept4): return call_kind::local;
    default: return call_kind::other;
  }
}

void wake_beside(int listener) noexcept {
  (void)::ioctl(listener, kernel::notif_set_flags, kernel::notif_sync_wake_up);
}

result<std::optional<caught_call>> take_call(int listener) {
  // Asked before each: receiving would block when the caller was killed in between.
  while (readable(listener)) {
    seccomp_notif request{};
    if (::ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request) != 0) {
      if (errno == ENOENT || errno == EINTR)
        continue;
      return os_error("ioctl", "SECCOMP_IOCTL_NOTIF_RECV", errno);
    }
    caught_call out{request.id, static_cast<pid_t>(request.pid), request.data.nr, {}};
    for (std::size_t i = 0; i < out.arguments.size(); ++i)
      out.arguments[i] = request.data.args[i];
    return std::optional{out};
  }
  return std::optional<caught_call>{};
}

bool still_waits(int listener, const caught_call& call) noexcept {
  auto id = call.id;
  return ::ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

void answer(int listener, const caught_call& call, int errno_value) noexcept {
  seccomp_notif_resp out{};
  out.id = call.id;
  out.error = -errno_value;
  (void)::ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &out);
}

void carry_on(int listener, const caught_call& call) noexcept {
  seccomp_notif_resp out{};
  out.id = call.id;
  out.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  (void)::ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &out);
}

denied_call refuse(int listener, const caught_call& call) {
  auto errno_value = errno_for(call);
  auto killed = is_deadly(call) ? kill_caller(listener, call) : 0;
  answer(listener, call, errno_value);
  // The second is tried by every getpwuid, which asks for nscd.
  bool quiet = kind_of(call) == call_kind::group
               || (call.number == SCMP_SYS(socket) && call.arguments[0] == AF_UNIX);
  return {call.thread, call.number, name_of_call(call.number), errno_value, quiet, killed};
}

result<int> drain_denials(int listener, int at_most,
                          const std::function<void(const denied_call&)>& note) {
  int answered = 0;
  for (; answered < at_most; ++answered) {
    auto call = take_call(listener);
    if (!call)
      return std::move(call).why();
    if (!*call)
      break;
    if (auto denied = refuse(listener, **call); !denied.quiet)
      note(denied);
  }
  return answered;
}

} // namespace vivarium::sandbox
