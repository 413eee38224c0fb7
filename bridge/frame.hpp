// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bridge/raw_memory.hpp"
#include "proto/result.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vivarium::bridge {

/// What travels on the two pipes of a worker. A frame is a header of 8 bytes (body length as 32 bit
/// little endian, type, three zero bytes) and a body in protobuf encoding, see worker_protocol.hpp.
enum class frame_type : std::uint8_t {
  evaluate = 1,    ///< daemon -> worker
  pull = 2,        ///< daemon -> worker
  host_result = 3, ///< daemon -> worker
  app_input = 10,  ///< daemon -> worker
  hello = 16,      ///< worker -> daemon, once, first
  output = 17,
  display = 18,
  finished = 19,
  items = 20,
  parked = 21,
  host_call = 22,
  host_drop = 23,
  note = 24,
  pong = 25, ///< It lives; without a body.
  app_taken = 30,
};

inline constexpr std::size_t frame_header_bytes = 8;
/// No frame is larger, in either direction.
inline constexpr std::size_t max_frame_bytes = 64u << 20;

/// A frame as found in a buffer; `body` points into it.
struct frame {
  frame_type type;
  std::string_view body;
};

/// Begins a frame at the end of `out` and returns the position that `end_frame` needs.
std::size_t begin_frame(std::string& out, frame_type type);

/// Completes the frame begun at `start`: writes its length. Refuses, and takes the frame off again,
/// when the body is over `max_frame_bytes`.
status end_frame(std::string& out, std::size_t start);

/// Cuts a byte stream into frames. Holds at most one incomplete frame beyond what was fed; a header
/// that announces too much or has an unknown type is an error after which the stream is unusable.
class frame_reader {
public:
  explicit frame_reader(std::size_t max_body = max_frame_bytes) noexcept : max_body_{max_body} {}

  /// Room for the next read of at least `wanted` bytes; invalidates frames returned before.
  char* prepare(std::size_t wanted);
  /// How many bytes `prepare` really offers.
  [[nodiscard]] std::size_t room() const noexcept { return buffer_.size() - end_; }
  /// Takes over `n` bytes that were written to where `prepare` pointed.
  void commit(std::size_t n) noexcept { end_ += n; }

  /// Returns the next complete frame, nothing when more bytes are needed, or what is wrong. The
  /// frame stays valid until the next `prepare`.
  result<std::optional<frame>> next();

  /// Bytes of the incomplete frame that are still missing; 0 when that is not known yet.
  [[nodiscard]] std::size_t missing() const noexcept;
  /// Bytes held that have not been returned as frames.
  [[nodiscard]] std::size_t pending() const noexcept { return end_ - begin_; }
  /// Those bytes; valid until the next `prepare`.
  [[nodiscard]] std::string_view unread() const noexcept {
    return {buffer_.data() + begin_, pending()};
  }

private:
  raw_memory buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t max_body_;
};

} // namespace vivarium::bridge
