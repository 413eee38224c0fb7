// SPDX-License-Identifier: Apache-2.0
#include "sandbox/brokered_socket.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

namespace vivarium::sandbox {

namespace {

// States of a TCP socket, numbered as in tcp_info.
constexpr int established = 1;
constexpr int syn_sent = 2;
constexpr int syn_received = 3;
constexpr int close_wait = 8;

std::string proc_path(pid_t process, std::string_view rest) {
  return "/proc/" + std::to_string(process) + "/" + std::string{rest};
}

std::string read_small(const std::string& path) {
  unique_fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  std::array<char, 2048> room{};
  auto n = file ? ::read(file.get(), room.data(), room.size()) : -1;
  return {room.data(), static_cast<std::size_t>(n > 0 ? n : 0)};
}

/// Returns the number after `name` in a text of /proc.
std::optional<std::uint64_t> number_in(std::string_view text, std::string_view name, int base) {
  auto at = text.find(name);
  if (at == std::string_view::npos)
    return std::nullopt;
  at = text.find_first_not_of(" \t", at + name.size());
  std::uint64_t value = 0;
  if (at == std::string_view::npos
      || std::from_chars(text.data() + at, text.data() + text.size(), value, base).ec
             != std::errc{})
    return std::nullopt;
  return value;
}

/// The socket that a link of /proc/PID/fd leads to; 0: to none.
std::uint64_t inode_at(const std::string& path) {
  constexpr std::string_view mark = "socket:[";
  std::array<char, 64> room{};
  auto n = ::readlink(path.c_str(), room.data(), room.size());
  std::string_view text{room.data(), static_cast<std::size_t>(n > 0 ? n : 0)};
  if (!text.starts_with(mark))
    return 0;
  std::uint64_t inode = 0;
  std::from_chars(text.data() + mark.size(), text.data() + text.size(), inode);
  return inode;
}

int option(int socket, int level, int name) noexcept {
  int value = 0;
  socklen_t size = sizeof(value);
  return ::getsockopt(socket, level, name, &value, &size) == 0 ? value : -1;
}

int tcp_state(int socket) noexcept {
  tcp_info info{};
  socklen_t size = sizeof(info);
  return ::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 ? info.tcpi_state : 0;
}

struct known_option {
  int level;
  int name;
  bool doubled = false; // The kernel tells twice what was asked for.
};

// What the filter lets a worker set. Only what differs from a fresh socket is copied: a buffer size
// that is set, even to the default, is not tuned by the kernel any more.
constexpr std::array<known_option, fresh_options::count> numbers{{
    {SOL_SOCKET, SO_KEEPALIVE},
    {SOL_SOCKET, SO_REUSEADDR},
    {SOL_SOCKET, SO_SNDBUF, true},
    {SOL_SOCKET, SO_RCVBUF, true},
    {IPPROTO_TCP, TCP_NODELAY},
    {IPPROTO_TCP, TCP_KEEPIDLE},
    {IPPROTO_TCP, TCP_KEEPINTVL},
    {IPPROTO_TCP, TCP_KEEPCNT},
    {IPPROTO_TCP, TCP_USER_TIMEOUT},
    {IPPROTO_TCP, TCP_QUICKACK},
    {IPPROTO_IPV6, IPV6_V6ONLY},
}};

std::array<int, fresh_options::count> options_of_fresh(int family) noexcept {
  std::array<int, fresh_options::count> out{};
  unique_fd socket{::socket(family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP)};
  for (std::size_t i = 0; i < numbers.size(); ++i)
    out[i] = option(socket.get(), numbers[i].level, numbers[i].name);
  return out;
}

void copy_options(int from, int to, const std::array<int, fresh_options::count>& fresh,
                  bool six) noexcept {
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const auto& one = numbers[i];
    if (one.level == IPPROTO_IPV6 && !six)
      continue;
    int value = option(from, one.level, one.name);
    if (value < 0 || value == fresh[i])
      continue;
    if (one.doubled)
      value /= 2;
    ::setsockopt(to, one.level, one.name, &value, sizeof(value));
  }
  for (int name : {SO_RCVTIMEO_OLD, SO_SNDTIMEO_OLD}) {
    timeval wait{};
    socklen_t size = sizeof(wait);
    if (::getsockopt(from, SOL_SOCKET, name, &wait, &size) == 0
        && (wait.tv_sec != 0 || wait.tv_usec != 0))
      ::setsockopt(to, SOL_SOCKET, name, &wait, sizeof(wait));
  }
}

int check_original(const connect_order& order) noexcept {
  // Whatever it is of these families: what is put in its place is a TCP socket.
  if (order.family != AF_INET && order.family != AF_INET6)
    return EACCES;
  if (order.family == AF_INET && !order.target.address.is_v4())
    return EAFNOSUPPORT;
  sockaddr_storage other{};
  socklen_t size = sizeof(other);
  return ::getpeername(order.original.get(), reinterpret_cast<sockaddr*>(&other), &size) == 0
             ? EISCONN
             : 0;
}

} // namespace

fresh_options look_at_fresh_options() noexcept {
  return {options_of_fresh(AF_INET), options_of_fresh(AF_INET6)};
}

int copy_address(const caught_call& call, sockaddr_storage& out) noexcept {
  auto size = static_cast<std::uint32_t>(call.arguments[2]);
  if (static_cast<std::int32_t>(size) < 0 || size > sizeof(out))
    return EINVAL;
  iovec here{&out, size};
  // NOLINTNEXTLINE(performance-no-int-to-ptr): an address of the worker's.
  iovec there{reinterpret_cast<void*>(call.arguments[1]), size};
  if (size > 0
      && ::process_vm_readv(call.thread, &here, 1, &there, 1, 0) != static_cast<ssize_t>(size))
    return errno == ESRCH ? ESRCH : EFAULT;
  return size < sizeof(out.ss_family) ? EINVAL : 0;
}

int read_descriptor(int listener, const caught_call& call, likely_caller& likely,
                    connect_order& out) noexcept {
  out.call = call;
  out.descriptor = static_cast<int>(call.arguments[0]);
  out.process = likely.process;
  if (call.thread != likely.process) {
    auto status = read_small(proc_path(call.thread, "status"));
    out.process = static_cast<pid_t>(number_in(status, "\nTgid:", 10).value_or(0));
    out.user = static_cast<uid_t>(number_in(status, "\nUid:", 10).value_or(~0u));
    out.group = static_cast<gid_t>(number_in(status, "\nGid:", 10).value_or(~0u));
  }
  bool usual = out.process == likely.process;
  unique_fd process{usual && likely.handle
                        ? likely.handle.release()
                        : static_cast<int>(::syscall(SYS_pidfd_open, out.process, 0))};
  if (process)
    out.original.reset(
        static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), out.descriptor, 0)));
  int why = out.original ? 0 : errno;
  out.close_on_exec = true;
  if (likely.runs_programs) {
    auto about = read_small(proc_path(out.process, "fdinfo/" + std::to_string(out.descriptor)));
    auto flags = number_in(about, "flags:", 8);
    out.close_on_exec = !flags || (*flags & O_CLOEXEC) != 0;
  }
  // All of the above was found by number. If the caller stands here still, it was the caller's.
  if (!still_waits(listener, call))
    return ESRCH;
  if (usual)
    likely.handle = std::move(process);
  if (!out.original)
    return why == EBADF ? EBADF : EACCES;
  out.family = option(out.original.get(), SOL_SOCKET, SO_DOMAIN);
  return out.family < 0 ? ENOTSOCK : 0;
}

int read_connect(int listener, const caught_call& call, likely_caller& likely,
                 connect_order& out) noexcept {
  sockaddr_storage raw{};
  auto problem = copy_address(call, raw);
  if (int wrong = read_descriptor(listener, call, likely, out); wrong != 0)
    return wrong;
  if (problem != 0)
    return problem;
  if (raw.ss_family != AF_INET && raw.ss_family != AF_INET6)
    return EACCES; // AF_UNSPEC would take the connection off a socket that is the host's.
  auto target = from_sockaddr(raw, static_cast<std::uint32_t>(call.arguments[2]));
  if (!target)
    return EINVAL;
  out.target = *target;
  return check_original(out);
}

unique_fd begin_connect(const connect_order& order, const endpoint& to, const fresh_options& fresh,
                        int& errno_value) noexcept {
  // A worker that asked for a name on an IPv4 socket gets an IPv6 one when there is no other way.
  int family = order.family == AF_INET && to.address.is_v4() ? AF_INET : AF_INET6;
  unique_fd socket{::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP)};
  if (!socket) {
    errno_value = errno;
    return {};
  }
  copy_options(order.original.get(), socket.get(), family == AF_INET ? fresh.four : fresh.six,
               family == AF_INET6 && order.family == AF_INET6);
  sockaddr_storage where{};
  auto size = to_sockaddr(to, family, where);
  errno_value = 0;
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&where), size) == 0
      || errno == EINPROGRESS)
    return socket;
  errno_value = errno;
  return {};
}

int connect_outcome(int socket) noexcept {
  switch (tcp_state(socket)) {
    case established:
    case close_wait: return 0;
    case syn_sent:
    case syn_received: return EINPROGRESS;
    default: break;
  }
  int failed = option(socket, SOL_SOCKET, SO_ERROR);
  return failed > 0 ? failed : ECONNRESET;
}

bool leads_here(int socket) noexcept {
  sockaddr_storage mine{};
  sockaddr_storage other{};
  socklen_t size = sizeof(mine);
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&mine), &size) != 0)
    return true;
  auto here = from_sockaddr(mine, size);
  size = sizeof(other);
  if (::getpeername(socket, reinterpret_cast<sockaddr*>(&other), &size) != 0)
    return true;
  auto there = from_sockaddr(other, size);
  return !here || !there || here->address == there->address;
}

std::uint16_t local_port(int socket) noexcept {
  sockaddr_storage mine{};
  socklen_t size = sizeof(mine);
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&mine), &size) != 0)
    return 0;
  auto here = from_sockaddr(mine, size);
  return here ? here->port : 0;
}

int inject(int listener, const connect_order& order, int socket) noexcept {
  int flags = ::fcntl(order.original.get(), F_GETFL);
  bool blocking = flags >= 0 && (flags & O_NONBLOCK) == 0;
  if (blocking && ::fcntl(socket, F_SETFL, O_RDWR) != 0)
    return errno;
  seccomp_notif_addfd add{};
  add.id = order.call.id;
  add.flags = SECCOMP_ADDFD_FLAG_SETFD;
  add.srcfd = static_cast<std::uint32_t>(socket);
  add.newfd = static_cast<std::uint32_t>(order.descriptor);
  add.newfd_flags = order.close_on_exec ? O_CLOEXEC : 0;
  // Not with the flag that answers at once: the call would return the descriptor's number.
  if (::ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add) < 0)
    return errno;
  answer(listener, order.call, 0);
  return 0;
}

traffic traffic_of(int socket) noexcept {
  tcp_info info{};
  socklen_t size = sizeof(info);
  if (::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0)
    return {};
  return {info.tcpi_bytes_acked, info.tcpi_bytes_received};
}

std::uint64_t inode_of(int socket) noexcept {
  struct stat what {};
  return ::fstat(socket, &what) == 0 ? what.st_ino : 0;
}

bool has_socket(pid_t process, std::uint64_t inode, int number) {
  return inode_at(proc_path(process, "fd/" + std::to_string(number))) == inode;
}

std::map<std::uint64_t, int> sockets_of(pid_t process) {
  std::map<std::uint64_t, int> out;
  auto folder = proc_path(process, "fd");
  auto* entries = ::opendir(folder.c_str());
  if (entries == nullptr)
    return out;
  while (const auto* entry = ::readdir(entries)) { // NOLINT(concurrency-mt-unsafe): own stream.
    std::string_view number{entry->d_name};
    int value = -1;
    if (std::from_chars(number.data(), number.data() + number.size(), value).ec != std::errc{})
      continue;
    if (auto inode = inode_at(folder + "/" + std::string{number}); inode != 0)
      out.emplace(inode, value);
  }
  ::closedir(entries);
  return out;
}

} // namespace vivarium::sandbox
