// SPDX-License-Identifier: Apache-2.0
#include "daemon/ws_frame.hpp"

#include "bridge/validate.hpp"
#include "daemon/base64.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include <openssl/evp.h>

namespace vivarium::ws {

namespace {

constexpr std::size_t max_control = 125;
// What one fragmented message has taken is kept for the next one up to here.
constexpr std::size_t kept_capacity = 64u << 10;

item violation(std::uint16_t code, std::string_view reason) {
  return {item::kind::violation, opcode::close, code, reason};
}

std::uint64_t big_endian(const char* bytes, std::size_t count) noexcept {
  std::uint64_t out = 0;
  for (std::size_t i = 0; i < count; ++i)
    out = out << 8 | static_cast<std::uint8_t>(bytes[i]);
  return out;
}

item out_of_order(bool under_way) {
  return violation(close_protocol_error, under_way ? "a new message inside a fragmented one"
                                                   : "a continuation of nothing");
}

bool known(std::uint8_t code) noexcept {
  return code <= 2 || (code >= 8 && code <= 10);
}

bool legal_close_code(std::uint16_t code) noexcept {
  if (code >= 3000)
    return code < 5000;
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014);
}

/// Reads a head; `need_more` stands for a good one that may still be incomplete (`size` 0).
item read_head(std::string_view in, frame_head& head) {
  if (in.size() < 2)
    return {};
  auto first = static_cast<std::uint8_t>(in[0]);
  auto second = static_cast<std::uint8_t>(in[1]);
  if ((first & 0x70) != 0)
    return violation(close_protocol_error, "reserved bits are set");
  if (!known(first & 0x0f))
    return violation(close_protocol_error, "unknown opcode");
  if ((second & 0x80) == 0)
    return violation(close_protocol_error, "a client must mask its frames");
  head.last = (first & 0x80) != 0;
  head.type = static_cast<opcode>(first & 0x0f);
  auto short_length = second & 0x7fu;
  if (head.type >= opcode::close && (!head.last || short_length > max_control))
    return violation(close_protocol_error, "a control frame is fragmented or too long");
  std::size_t extra = short_length == 127 ? 8 : short_length == 126 ? 2 : 0;
  if (in.size() < 2 + extra + 4)
    return {};
  head.length = extra == 0 ? short_length : big_endian(in.data() + 2, extra);
  if ((extra == 2 && head.length < 126) || (extra == 8 && head.length < 65'536))
    return violation(close_protocol_error, "the length is not in its shortest form");
  head.size = 2 + extra + 4;
  return {};
}

} // namespace

void unmask(char* bytes, std::size_t size, const char (&mask)[4]) noexcept {
  std::array<char, 8> twice{mask[0], mask[1], mask[2], mask[3], mask[0], mask[1], mask[2], mask[3]};
  std::uint64_t wide = 0;
  std::memcpy(&wide, twice.data(), 8);
  std::size_t at = 0;
  for (; at + 8 <= size; at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes + at, 8);
    word ^= wide;
    std::memcpy(bytes + at, &word, 8);
  }
  for (; at < size; ++at)
    bytes[at] = static_cast<char>(bytes[at] ^ mask[at & 3]);
}

item reader::next(byte_buffer& in) {
  missing_ = 0;
  if (assembling_ == opcode::continuation && !assembled_.empty()) {
    assembled_.clear(); // It was returned by the call before.
    if (assembled_.capacity() > kept_capacity)
      assembled_.shrink_to_fit();
  }
  if (passing_ && passing_->left > 0)
    return skip(in);
  frame_head head;
  auto wrong = read_head(in.view(), head);
  if (wrong.what == item::kind::violation || head.size == 0)
    return wrong;
  // Judged by its head alone: a frame that is too large is never held.
  auto before = passing_ ? passing_->size : assembled_.size();
  if (head.type < opcode::close && (passing_ || head.length > max_message_ - before))
    return begin_skipping(head, in);
  auto length = static_cast<std::size_t>(head.length);
  if (in.size() < head.size + length) {
    missing_ = head.size + length - in.size();
    return {};
  }
  char mask[4];
  char* payload = in.data() + head.size;
  std::memcpy(mask, payload - 4, 4);
  unmask(payload, length, mask);
  in.consume(head.size + length);
  if (head.type >= opcode::close)
    return take_control(head.type, {payload, length});
  return take_data(head.type, head.last, {payload, length});
}

item reader::take_control(opcode type, std::string_view payload) {
  if (type == opcode::ping)
    return {item::kind::ping, type, 0, payload};
  if (type == opcode::pong)
    return {item::kind::pong, type, 0, payload};
  if (payload.empty())
    return {item::kind::close, type, close_normal, {}};
  if (payload.size() == 1)
    return violation(close_protocol_error, "the close frame is cut short");
  auto code = static_cast<std::uint16_t>(big_endian(payload.data(), 2));
  if (!legal_close_code(code))
    return violation(close_protocol_error, "there is no such close code");
  if (!bridge::is_utf8(payload.substr(2)))
    return violation(close_invalid_text, "the reason is not valid UTF-8");
  return {item::kind::close, type, code, payload.substr(2)};
}

item reader::begin_skipping(const frame_head& head, byte_buffer& in) {
  bool under_way = assembling_ != opcode::continuation;
  if ((head.type == opcode::continuation) != under_way)
    return out_of_order(under_way);
  auto before = passing_ ? passing_->size : assembled_.size();
  if (head.length > max_message_ * skipped_at_most - before)
    return violation(close_too_big, "the message is far too large");
  if (!passing_ && assembled_.size() > kept_of_too_large) {
    assembled_.resize(kept_of_too_large);
    assembled_.shrink_to_fit();
  }
  auto wanted = static_cast<std::size_t>(
      std::min<std::uint64_t>(kept_of_too_large - assembled_.size(), head.length));
  if (in.size() < head.size + wanted) {
    missing_ = head.size + wanted - in.size();
    return {};
  }
  char mask[4];
  char* payload = in.data() + head.size;
  std::memcpy(mask, payload - 4, 4);
  unmask(payload, wanted, mask);
  assembled_.append(payload, wanted);
  in.consume(head.size + wanted);
  if (!under_way)
    assembling_ = head.type;
  passing_ = passing{before + head.length, head.length - wanted, head.last};
  return skip(in);
}

item reader::skip(byte_buffer& in) {
  auto gone = static_cast<std::size_t>(std::min<std::uint64_t>(passing_->left, in.size()));
  in.consume(gone);
  passing_->left -= gone;
  if (passing_->left > 0) {
    missing_ = static_cast<std::size_t>(passing_->left);
    return {};
  }
  if (!passing_->last)
    return {item::kind::fragment, assembling_, 0, {}};
  item out{item::kind::too_large, assembling_, 0, assembled_, passing_->size};
  passing_.reset();
  assembling_ = opcode::continuation;
  return out;
}

item reader::take_data(opcode type, bool last, std::string_view payload) {
  bool under_way = assembling_ != opcode::continuation;
  if ((type == opcode::continuation) != under_way)
    return out_of_order(under_way);
  std::string_view whole = payload;
  if (!last || under_way) {
    if (!under_way)
      assembling_ = type;
    assembled_ += payload;
    if (!last)
      return {item::kind::fragment, type, 0, {}};
    whole = assembled_;
    type = assembling_;
    assembling_ = opcode::continuation;
  }
  if (type == opcode::text && !bridge::is_utf8(whole))
    return violation(close_invalid_text, "the text is not valid UTF-8");
  return {item::kind::message, type, 0, whole};
}

void append_head(std::string& out, opcode type, std::size_t length) {
  out += static_cast<char>(0x80 | static_cast<unsigned>(type));
  std::size_t bytes = length < 126 ? 0 : length < 65'536 ? 2 : 8;
  out += static_cast<char>(bytes == 0 ? length : bytes == 2 ? 126 : 127);
  for (auto left = bytes; left > 0; --left)
    out += static_cast<char>(length >> (8 * (left - 1)));
}

void append_close(std::string& out, std::uint16_t code, std::string_view reason) {
  reason = reason.substr(0, max_control - 2);
  append_head(out, opcode::close, 2 + reason.size());
  out += static_cast<char>(code >> 8);
  out += static_cast<char>(code);
  out += reason;
}

std::string accept_key(std::string_view key) {
  std::string text{key};
  text += "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr);
  std::string out;
  append_base64(out, {reinterpret_cast<const char*>(digest.data()), size});
  out += '='; // 20 bytes end in one character of padding
  return out;
}

} // namespace vivarium::ws
