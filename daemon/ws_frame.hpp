// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/byte_buffer.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// RFC 6455 framing, the server's side, without input or output: many frames of one read are taken
/// apart in place, and many messages are put into one write. See docs/decisions/0003.
namespace vivarium::ws {

enum class opcode : std::uint8_t {
  continuation = 0,
  text = 1,
  binary = 2,
  close = 8,
  ping = 9,
  pong = 10
};

inline constexpr std::uint16_t close_normal = 1000;
inline constexpr std::uint16_t close_going_away = 1001;
inline constexpr std::uint16_t close_protocol_error = 1002;
inline constexpr std::uint16_t close_unsupported = 1003;
inline constexpr std::uint16_t close_invalid_text = 1007;
inline constexpr std::uint16_t close_policy = 1008;
inline constexpr std::uint16_t close_too_big = 1009;
inline constexpr std::uint16_t close_try_again = 1013;

/// What the first bytes of a frame say.
struct frame_head {
  bool last = false;
  opcode type = opcode::continuation;
  std::size_t size = 0; ///< Of the head, with mask.
  std::uint64_t length = 0;
};

/// What the reader found.
struct item {
  enum class kind : std::uint8_t {
    need_more,
    fragment,  ///< Part of a message; go on.
    message,   ///< `data` is a whole message of type `type`; a text is valid UTF-8.
    too_large, ///< A message of `size` bytes has gone by; `data` is how it began, unchecked.
    ping,      ///< `data` wants to be sent back.
    pong,
    close,     ///< `code` and `data` are the peer's; answer and close.
    violation, ///< `code` and `data` tell the peer what it did wrong; the stream is unusable.
  };
  kind what = kind::need_more;
  opcode type = opcode::binary;
  std::uint16_t code = 0;
  std::string_view data;
  std::uint64_t size = 0; ///< Of a message that is too large.
};

/// Of a message that is too large so much is kept: enough to see whose it is.
inline constexpr std::size_t kept_of_too_large = 256;
/// A message of more than so many times the limit is a violation at once.
inline constexpr std::uint64_t skipped_at_most = 16;

/// Takes a client's stream apart. What is over the limit passes by without being held, so that its
/// sender can be answered.
class reader {
public:
  explicit reader(std::size_t max_message) noexcept : max_message_{max_message} {}

  /// Returns the next item and consumes it. What it points to stays valid until the next call or
  /// until the buffer is filled further.
  item next(byte_buffer& in);
  /// Bytes that are missing for the frame at the front of the buffer; 0 when that is not known.
  [[nodiscard]] std::size_t missing() const noexcept { return missing_; }
  /// Bytes of a message that has come in part.
  [[nodiscard]] std::size_t held() const noexcept { return assembled_.size(); }

private:
  item take_control(opcode type, std::string_view payload);
  item take_data(opcode type, bool last, std::string_view payload);
  item begin_skipping(const frame_head& head, byte_buffer& in);
  item skip(byte_buffer& in);

  /// A message that is too large, as far as its frames have come.
  struct passing {
    std::uint64_t size = 0; ///< With all of the present frame.
    std::uint64_t left = 0; ///< Of the present frame.
    bool last = false;      ///< There is no frame after it.
  };

  std::size_t max_message_;
  std::size_t missing_ = 0;
  std::string assembled_; // of a fragmented message; the beginning of one that is too large
  std::optional<passing> passing_;
  opcode assembling_ = opcode::continuation;
};

/// Appends the head of a frame that is a whole message (or a control frame).
void append_head(std::string& out, opcode type, std::size_t length);
/// Appends a close frame.
void append_close(std::string& out, std::uint16_t code, std::string_view reason);
/// Returns the value of Sec-WebSocket-Accept.
[[nodiscard]] std::string accept_key(std::string_view key);
/// XORs `size` bytes with the repeated mask.
void unmask(char* bytes, std::size_t size, const char (&mask)[4]) noexcept;

} // namespace vivarium::ws
