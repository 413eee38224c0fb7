// SPDX-License-Identifier: Apache-2.0
#include "sandbox/control.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <sys/socket.h>
#include <unistd.h>

namespace vivarium::sandbox::control {

namespace {

constexpr std::size_t head_size = offsetof(message, text);
constexpr std::size_t fds_space = CMSG_SPACE(3 * sizeof(int));
constexpr std::size_t cred_space = CMSG_SPACE(sizeof(ucred));

void take_fds(const cmsghdr* header, extras& beside) noexcept {
  auto count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
  for (std::size_t i = 0; i < count; ++i) {
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
    if (beside.fd_count < 3)
      beside.fds[beside.fd_count++] = fd;
    else
      ::close(fd);
  }
}

} // namespace

void message::say(std::string_view words) noexcept {
  auto size = std::min(words.size(), max_text);
  std::memcpy(text, words.data(), size);
  text_size = static_cast<std::uint32_t>(size);
}

int send(int socket, const message& what, const int* fds, int fd_count) noexcept {
  alignas(cmsghdr) char room[fds_space] = {};
  iovec part{const_cast<message*>(&what), head_size + what.text_size};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (fd_count > 0) {
    auto bytes = static_cast<std::size_t>(fd_count) * sizeof(int);
    header.msg_control = room;
    header.msg_controllen = CMSG_SPACE(bytes);
    auto* first = CMSG_FIRSTHDR(&header);
    first->cmsg_level = SOL_SOCKET;
    first->cmsg_type = SCM_RIGHTS;
    first->cmsg_len = CMSG_LEN(bytes);
    std::memcpy(CMSG_DATA(first), fds, bytes);
  }
  while (::sendmsg(socket, &header, MSG_NOSIGNAL) < 0)
    if (errno != EINTR)
      return errno;
  return 0;
}

receipt receive(int socket, message& into, extras& beside) noexcept {
  alignas(cmsghdr) char room[fds_space + cred_space];
  iovec part{&into, sizeof(into)};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = room;
  header.msg_controllen = sizeof(room);
  beside = extras{};
  constexpr int flags = MSG_DONTWAIT | MSG_CMSG_CLOEXEC;
  auto n = ::recvmsg(socket, &header, flags);
  // Told once when the other end was closed with messages to it unread; what it said before is
  // still in the queue behind the error.
  if (n < 0 && errno == ECONNRESET)
    n = ::recvmsg(socket, &header, flags);
  if (n < 0)
    return errno == EAGAIN || errno == EINTR ? receipt::nothing_now : receipt::broken;
  for (auto* c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level != SOL_SOCKET)
      continue;
    if (c->cmsg_type == SCM_RIGHTS) {
      take_fds(c, beside);
    } else if (c->cmsg_type == SCM_CREDENTIALS) {
      ucred who{};
      std::memcpy(&who, CMSG_DATA(c), sizeof(who));
      beside.sender = who.pid;
    }
  }
  if (n == 0)
    return receipt::closed;
  auto size = static_cast<std::size_t>(n);
  if (size < head_size || into.text_size > max_text || size != head_size + into.text_size) {
    for (int i = 0; i < beside.fd_count; ++i)
      ::close(beside.fds[i]);
    beside = extras{};
    return receipt::broken;
  }
  return receipt::message;
}

} // namespace vivarium::sandbox::control
