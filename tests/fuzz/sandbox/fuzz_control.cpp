// SPDX-License-Identifier: Apache-2.0
// Datagrams of a control socket, with any number of descriptors: what is no message leaves none of
// them open.
#include "sandbox/control.hpp"

#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using namespace vivarium::sandbox;

constexpr std::size_t most_fds = 5;

/// Two ends of a control socket, for the whole run.
struct ends {
  int here = -1;
  int there = -1;
  ends() {
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
      std::abort();
    here = pair[0];
    there = pair[1];
  }
};

/// The number that the next descriptor would get.
int next_number() {
  int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::close(fd);
  return fd;
}

bool put(int socket, const std::uint8_t* data, std::size_t size, std::size_t fds) {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(most_fds * sizeof(int))> room{};
  iovec part{const_cast<std::uint8_t*>(data), size};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (fds > 0) {
    header.msg_control = room.data();
    header.msg_controllen = CMSG_SPACE(fds * sizeof(int));
    auto* first = CMSG_FIRSTHDR(&header);
    first->cmsg_level = SOL_SOCKET;
    first->cmsg_type = SCM_RIGHTS;
    first->cmsg_len = CMSG_LEN(fds * sizeof(int));
    std::array<int, most_fds> all;
    all.fill(socket);
    std::memcpy(CMSG_DATA(first), all.data(), fds * sizeof(int));
  }
  return ::sendmsg(socket, &header, MSG_NOSIGNAL) >= 0;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const ends sockets;
  if (size < 2)
    return 0;
  auto before = next_number();
  if (!put(sockets.there, data + 1, size - 1, data[0] % (most_fds + 1)))
    return 0;
  control::message got;
  control::extras beside;
  auto how = control::receive(sockets.here, got, beside);
  if (how == control::receipt::message && got.view().size() > control::max_text)
    std::abort();
  if (how != control::receipt::message && beside.fd_count != 0)
    std::abort();
  for (int i = 0; i < beside.fd_count; ++i)
    ::close(beside.fds[i]);
  if (next_number() != before)
    std::abort();
  return 0;
}
