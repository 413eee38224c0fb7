// SPDX-License-Identifier: Apache-2.0
#include "sandbox/local_socket.hpp"

#include "sandbox/brokered_socket.hpp"

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

namespace vivarium::sandbox {

namespace {

// What this thread may do with files is for a moment what the worker may: a path that a tenant
// chose must not be followed with root's rights.
class rights_of {
public:
  rights_of(uid_t user, gid_t group) noexcept : root_{::geteuid() == 0} {
    if (root_) {
      ::syscall(SYS_setfsgid, group);
      ::syscall(SYS_setfsuid, user);
    }
  }
  rights_of(const rights_of&) = delete;
  rights_of& operator=(const rights_of&) = delete;
  ~rights_of() {
    if (root_) {
      ::syscall(SYS_setfsuid, ::geteuid());
      ::syscall(SYS_setfsgid, ::getegid());
    }
  }

private:
  bool root_;
};

unique_fd open_below(int root, const std::string& path) noexcept {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  return unique_fd{static_cast<int>(::syscall(SYS_openat2, root, path.c_str(), &how, sizeof(how)))};
}

int connect_to(int socket, const sockaddr_un& name, const connect_order& order) noexcept {
  auto root_path = "/proc/" + std::to_string(order.process) + "/root";
  unique_fd root{::open(root_path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
  if (!root)
    return ESRCH;
  rights_of tenant{order.user, order.group};
  auto own = open_below(root.get(), "session/fs");
  auto target = open_below(root.get(), name.sun_path);
  if (!own || !target)
    return own ? errno : EACCES;
  struct stat mine {};
  struct stat there {};
  if (::fstat(own.get(), &mine) != 0 || ::fstat(target.get(), &there) != 0)
    return EACCES;
  if (!S_ISSOCK(there.st_mode) || there.st_dev != mine.st_dev)
    return S_ISSOCK(there.st_mode) ? EACCES : ECONNREFUSED;
  sockaddr_un by_number{};
  by_number.sun_family = AF_UNIX;
  auto path = "/proc/self/fd/" + std::to_string(target.get());
  std::memcpy(by_number.sun_path, path.c_str(), path.size() + 1);
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&by_number), sizeof(by_number)) == 0)
    return 0;
  return errno == EAGAIN ? ECONNREFUSED : errno; // A full queue: EAGAIN would mean "on its way".
}

} // namespace

bool connect_local(int listener, const caught_call& call) {
  sockaddr_storage raw{};
  connect_order order;
  likely_caller nobody; // Whose rights it has must be looked up.
  if (copy_address(call, raw) != 0 || raw.ss_family != AF_UNIX)
    return false;
  if (int wrong = read_descriptor(listener, call, nobody, order); wrong != 0) {
    answer(listener, call, wrong);
    return true;
  }
  sockaddr_un name{};
  auto size = static_cast<std::size_t>(call.arguments[2]);
  auto fits = size > offsetof(sockaddr_un, sun_path) && size <= sizeof(name);
  if (fits)
    std::memcpy(&name, &raw, size);
  int type = 0;
  socklen_t type_size = sizeof(type);
  ::getsockopt(order.original.get(), SOL_SOCKET, SO_TYPE, &type, &type_size);
  int problem = 0;
  unique_fd socket;
  if (order.family != AF_UNIX || type != SOCK_STREAM)
    problem = EACCES;
  else if (!fits || name.sun_path[0] != '/' || name.sun_path[sizeof(name.sun_path) - 1] != '\0')
    problem = ECONNREFUSED; // Abstract, or relative to where the daemon cannot look.
  else if (socket.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)); !socket)
    problem = errno;
  else
    problem = connect_to(socket.get(), name, order);
  if (problem == 0)
    problem = inject(listener, order, socket.get());
  if (problem != 0)
    answer(listener, call, problem);
  return true;
}

} // namespace vivarium::sandbox
