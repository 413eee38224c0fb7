// SPDX-License-Identifier: Apache-2.0
#include "bench/net.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace bench {

void die(std::string_view what) {
  std::fprintf(stderr, "bench: %.*s\n", static_cast<int>(what.size()), what.data());
  std::exit(1);
}

void die_errno(std::string_view what) {
  die(std::string{what} + ": " + std::generic_category().message(errno));
}

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

int connect_tcp(std::uint16_t port) {
  auto fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || ::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0)
    die_errno("connect 127.0.0.1:" + std::to_string(port));
  int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

int connect_unix(const std::string& path) {
  auto fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  if (path.size() >= sizeof to.sun_path)
    die("the path of the socket is too long: " + path);
  std::memcpy(to.sun_path, path.data(), path.size());
  if (fd < 0 || ::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0)
    die_errno("connect " + path);
  return fd;
}

void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    auto n = ::write(fd, bytes.data(), bytes.size());
    if (n > 0)
      bytes.remove_prefix(static_cast<std::size_t>(n));
    else if (errno != EINTR)
      die_errno("write");
  }
}

std::size_t read_some(int fd, std::string& into) {
  constexpr std::size_t chunk = 256 * 1024;
  static char room[chunk];
  auto n = read_up_to(fd, room, chunk);
  into.append(room, n);
  return n;
}

std::size_t read_up_to(int fd, char* into, std::size_t n) {
  for (;;) {
    auto got = ::read(fd, into, n);
    if (got > 0)
      return static_cast<std::size_t>(got);
    if (got == 0)
      die("the peer has closed the connection");
    if (errno != EINTR)
      die_errno("read");
  }
}

void read_exactly(int fd, char* into, std::size_t n) {
  while (n > 0) {
    auto got = read_up_to(fd, into, n);
    into += got;
    n -= got;
  }
}

double percentile(std::vector<double>& samples, double p) {
  if (samples.empty())
    return 0;
  std::sort(samples.begin(), samples.end());
  auto rank = static_cast<std::size_t>(std::ceil(p * static_cast<double>(samples.size())));
  return samples[std::clamp<std::size_t>(rank, 1, samples.size()) - 1];
}

figures::figures(std::string_view row) : text_{"{\"row\":\""} {
  text_.append(row).append("\"");
}

figures& figures::add(std::string_view name, double value) {
  char digits[32];
  auto end = std::to_chars(digits, digits + sizeof digits, value, std::chars_format::fixed, 3).ptr;
  text_.append(",\"").append(name).append("\":").append(digits, end);
  return *this;
}

figures& figures::add_samples(std::vector<double>& samples) {
  return add("p50", percentile(samples, 0.5))
      .add("p99", percentile(samples, 0.99))
      .add("samples", static_cast<double>(samples.size()));
}

void figures::print() const {
  std::printf("%s}\n", text_.c_str());
  std::fflush(stdout);
}

} // namespace bench
