// SPDX-License-Identifier: Apache-2.0
#include "sandbox/local_socket.hpp"

#include "sandbox/brokered_socket.hpp"

#include <algorithm>
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

unique_fd root_of(pid_t process) {
  auto path = "/proc/" + std::to_string(process) + "/root";
  return unique_fd{::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
}

/// Reads the name of a Unix socket; false when it is no absolute path.
bool take_name(const caught_call& call, const sockaddr_storage& raw, sockaddr_un& name) {
  auto size = static_cast<std::size_t>(call.arguments[2]);
  if (size <= offsetof(sockaddr_un, sun_path) || size > sizeof(name))
    return false;
  std::memcpy(&name, &raw, size);
  return name.sun_path[0] == '/' && name.sun_path[sizeof(name.sun_path) - 1] == '\0';
}

sockaddr_un by_number(int folder, const std::string& rest) {
  sockaddr_un out{};
  out.sun_family = AF_UNIX;
  auto path = "/proc/self/fd/" + std::to_string(folder) + rest;
  std::memcpy(out.sun_path, path.c_str(), std::min(path.size(), sizeof(out.sun_path) - 1));
  return out;
}

int connect_to(int socket, const sockaddr_un& name, const connect_order& order) noexcept {
  auto root = root_of(order.process);
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
  auto where = by_number(target.get(), {});
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&where), sizeof(where)) == 0)
    return 0;
  return errno == EAGAIN ? ECONNREFUSED : errno; // A full queue: EAGAIN would mean "on its way".
}

// Only the folder is looked up: the last part is made, and made nowhere else.
int bind_to(int socket, const sockaddr_un& name, const connect_order& order) noexcept {
  std::string path{name.sun_path};
  auto slash = path.rfind('/');
  auto last = path.substr(slash); // With its slash.
  if (last == "/" || last == "/." || last == "/..")
    return EINVAL;
  auto root = root_of(order.process);
  if (!root)
    return ESRCH;
  rights_of tenant{order.user, order.group};
  auto own = open_below(root.get(), "session/fs");
  auto folder = open_below(root.get(), path.substr(0, slash + 1));
  if (!own || !folder)
    return own ? errno : EACCES;
  struct stat mine {};
  struct stat there {};
  if (::fstat(own.get(), &mine) != 0 || ::fstat(folder.get(), &there) != 0
      || !S_ISDIR(there.st_mode) || there.st_dev != mine.st_dev)
    return EACCES;
  auto where = by_number(folder.get(), last);
  if (std::strlen(where.sun_path) + 1 == sizeof(where.sun_path))
    return ENAMETOOLONG;
  return ::bind(socket, reinterpret_cast<const sockaddr*>(&where), sizeof(where)) == 0 ? 0 : errno;
}

} // namespace

bool bind_or_listen(int listener, const caught_call& call) {
  bool binds = call.number == SYS_bind;
  if (!binds && call.number != SYS_listen)
    return false;
  sockaddr_storage raw{};
  sockaddr_un name{};
  int problem = binds ? copy_address(call, raw) : 0;
  connect_order order;
  likely_caller nobody; // Whose rights it has must be looked up.
  if (problem == 0)
    problem = read_descriptor(listener, call, nobody, order);
  if (problem == 0 && order.family != AF_UNIX)
    problem = EACCES;
  if (problem == 0 && binds)
    problem = raw.ss_family == AF_UNIX && take_name(call, raw, name)
                  ? bind_to(order.original.get(), name, order)
                  : EACCES;
  else if (problem == 0 && ::listen(order.original.get(), static_cast<int>(call.arguments[1])) != 0)
    problem = errno;
  answer(listener, call, problem);
  return true;
}

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
  auto fits = take_name(call, raw, name);
  int type = 0;
  socklen_t type_size = sizeof(type);
  ::getsockopt(order.original.get(), SOL_SOCKET, SO_TYPE, &type, &type_size);
  int problem = 0;
  unique_fd socket;
  if (order.family != AF_UNIX || type != SOCK_STREAM)
    problem = EACCES;
  else if (!fits)
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
