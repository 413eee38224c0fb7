// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/buffer.hpp>

#include <array>
#include <cstddef>
#include <deque>
#include <span>
#include <string>
#include <string_view>

namespace vivarium {

/// What waits to be written to a peer. Small pieces are joined, large ones are kept as they are, so
/// that one gathering write takes many messages and no large body is copied.
class output_queue {
public:
  static constexpr std::size_t max_gather = 16;

  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  void append(std::string_view bytes);
  void append(const char* text) { append(std::string_view{text}); }
  /// Takes over `bytes`; copies them only when they are few.
  void append(std::string&& bytes);

  /// Returns the front of the queue as buffers. They stay where they are until consumed, also when
  /// more is appended in the meantime, provided that `pin` was called.
  std::span<const boost::asio::const_buffer> gather();
  /// Forbids growing the pieces that exist now: a pending write points into them.
  void pin() noexcept { pinned_ = true; }
  /// Drops `n` bytes from the front and lifts the pin.
  void consume(std::size_t n);

private:
  std::deque<std::string> pieces_;
  std::size_t front_offset_ = 0;
  std::size_t size_ = 0;
  bool pinned_ = false;
  bool sealed_ = false; // the last piece takes no more bytes
  std::string spare_;
  std::array<boost::asio::const_buffer, max_gather> view_;
};

} // namespace vivarium
