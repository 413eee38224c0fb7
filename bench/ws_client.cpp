// SPDX-License-Identifier: Apache-2.0
#include "bench/ws_client.hpp"

#include "bench/net.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include <unistd.h>

namespace bench {

namespace {

constexpr unsigned opcode_binary = 2;
constexpr unsigned opcode_close = 8;
constexpr unsigned opcode_ping = 9;
constexpr unsigned opcode_pong = 10;

// A client must mask. The key only has to be one that the daemon really has to undo.
constexpr std::uint64_t mask = 0x5ac3'9e71'5ac3'9e71;

void put_frame(std::string& to, unsigned opcode, std::string_view payload) {
  to.push_back(static_cast<char>(0x80 | opcode));
  auto n = payload.size();
  auto length_bytes = 0;
  if (n < 126) {
    to.push_back(static_cast<char>(0x80 | n));
  } else {
    length_bytes = n < 65'536 ? 2 : 8;
    to.push_back(static_cast<char>(0x80 | (n < 65'536 ? 126 : 127)));
  }
  while (length_bytes-- > 0)
    to.push_back(static_cast<char>(n >> (8 * length_bytes)));
  to.append(reinterpret_cast<const char*>(&mask), 4);
  auto begin = to.size();
  to.append(payload);
  auto* bytes = to.data() + begin;
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    std::uint64_t eight = 0;
    std::memcpy(&eight, bytes + i, 8);
    eight ^= mask;
    std::memcpy(bytes + i, &eight, 8);
  }
  for (; i < n; ++i)
    bytes[i] = static_cast<char>(bytes[i] ^ reinterpret_cast<const char*>(&mask)[i % 4]);
}

std::string authorization() {
  const char* key = std::getenv("VIVARIUM_API_KEY");
  return key == nullptr ? "" : "authorization: Bearer " + std::string{key} + "\r\n";
}

} // namespace

ws_client::ws_client(int fd) : fd_{fd} {
  write_all(fd_, std::string{"GET /v1/ws HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\n"
                             "connection: Upgrade\r\nsec-websocket-version: 13\r\n"
                             "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                             "sec-websocket-protocol: vivarium.v1.proto\r\n"}
                     + authorization() + "\r\n");
  std::string_view head;
  while (head.find("\r\n\r\n") == head.npos) {
    read();
    head = {in_.get(), end_};
  }
  if (!head.starts_with("HTTP/1.1 101"))
    die("the daemon refused the upgrade:\n" + std::string{head});
  at_ = head.find("\r\n\r\n") + 4;
}

ws_client::~ws_client() {
  ::close(fd_);
}

void ws_client::put(std::string_view message) {
  put_frame(out_, opcode_binary, message);
}

void ws_client::flush() {
  write_all(fd_, out_);
  out_.clear();
}

std::optional<std::string_view> ws_client::take() {
  for (;;) {
    std::string_view have{in_.get() + at_, end_ - at_};
    if (have.size() < 2)
      return std::nullopt;
    auto opcode = static_cast<unsigned char>(have[0]) & 0x0fU;
    if ((static_cast<unsigned char>(have[0]) & 0x80U) == 0)
      die("the daemon sent a fragmented message");
    std::size_t length = static_cast<unsigned char>(have[1]);
    std::size_t header = length == 127 ? 10 : length == 126 ? 4 : 2;
    if (have.size() < header)
      return std::nullopt;
    if (header > 2) {
      length = 0;
      for (std::size_t i = 2; i < header; ++i)
        length = length << 8 | static_cast<unsigned char>(have[i]);
    }
    if (have.size() < header + length)
      return std::nullopt;
    auto payload = have.substr(header, length);
    at_ += header + length;
    if (opcode == opcode_binary)
      return payload;
    if (opcode == opcode_close)
      die("the daemon closed the WebSocket: "
          + std::string{payload.substr(payload.size() > 2 ? 2 : 0)});
    if (opcode == opcode_ping)
      put_frame(out_, opcode_pong, payload);
  }
}

void ws_client::read() {
  constexpr std::size_t least = 256u << 10;
  auto held = end_ - at_;
  if (held == 0) {
    at_ = end_ = 0;
  } else if (at_ > 0 && capacity_ - end_ < least) {
    std::memmove(in_.get(), in_.get() + at_, held);
    at_ = 0;
    end_ = held;
  }
  if (capacity_ - end_ < least) {
    capacity_ = std::max(2 * capacity_, 4 * least);
    std::unique_ptr<char[]> bigger{new char[capacity_]};
    if (end_ > 0)
      std::memcpy(bigger.get(), in_.get(), end_);
    in_ = std::move(bigger);
  }
  end_ += read_up_to(fd_, in_.get() + end_, capacity_ - end_);
}

std::string_view ws_client::receive() {
  for (;;) {
    if (auto message = take())
      return *message;
    read();
  }
}

} // namespace bench
