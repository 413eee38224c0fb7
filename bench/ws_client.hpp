// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace bench {

/// A WebSocket client for `/v1/ws` with the binary subprotocol. Messages are queued by `put` and
/// leave together with `flush`, so that many requests can share one write.
class ws_client {
public:
  /// Owns `fd`; shakes hands.
  explicit ws_client(int fd);
  ws_client(const ws_client&) = delete;
  ws_client& operator=(const ws_client&) = delete;
  ~ws_client();

  [[nodiscard]] int fd() const { return fd_; }

  /// Queues one binary message.
  void put(std::string_view message);
  /// Writes what is queued.
  void flush();
  /// Returns the next message that has already arrived; valid until the next `read`.
  std::optional<std::string_view> take();
  /// Blocks until some bytes have come.
  void read();
  /// Returns the next message, blocking; valid until the next `read` or `receive`.
  std::string_view receive();

private:
  int fd_;
  std::string out_;
  std::unique_ptr<char[]> in_;
  std::size_t capacity_ = 0;
  std::size_t at_ = 0;  ///< How much of `in_` has been taken.
  std::size_t end_ = 0; ///< How much of it has been read.
};

} // namespace bench
