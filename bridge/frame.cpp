// SPDX-License-Identifier: Apache-2.0
#include "bridge/frame.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace vivarium::bridge {

namespace {

// A reader that once held a big frame gives the memory back when it is drained.
constexpr std::size_t keep_at_most = 256u << 10;
constexpr std::size_t believed_from = 64u << 10;

constexpr std::uint32_t load_le32(const char* p) noexcept {
  auto at = [p](int i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(p[i])); };
  return at(0) | at(1) << 8 | at(2) << 16 | at(3) << 24;
}

constexpr bool is_known(unsigned char type) noexcept {
  switch (static_cast<frame_type>(type)) {
    case frame_type::evaluate:
    case frame_type::pull:
    case frame_type::hello:
    case frame_type::output:
    case frame_type::display:
    case frame_type::finished:
    case frame_type::items:
    case frame_type::parked:
    case frame_type::host_result:
    case frame_type::app_input:
    case frame_type::app_taken:
    case frame_type::host_call:
    case frame_type::host_drop:
    case frame_type::note:
    case frame_type::pong: return true;
  }
  return false;
}

} // namespace

std::size_t begin_frame(std::string& out, frame_type type) {
  auto start = out.size();
  char header[frame_header_bytes] = {0, 0, 0, 0, static_cast<char>(type), 0, 0, 0};
  out.append(header, sizeof(header));
  return start;
}

status end_frame(std::string& out, std::size_t start) {
  auto body = out.size() - start - frame_header_bytes;
  if (body > max_frame_bytes) {
    out.resize(start);
    return error{errc::too_large, "a frame of " + std::to_string(body)
                                      + " bytes is over the limit of "
                                      + std::to_string(max_frame_bytes)};
  }
  for (std::size_t i = 0; i < 4; ++i)
    out[start + i] = static_cast<char>(body >> (8 * i) & 0xff);
  return done{};
}

char* frame_reader::prepare(std::size_t wanted) {
  if (begin_ == end_) {
    begin_ = end_ = 0;
    if (buffer_.size() > std::max(keep_at_most, wanted))
      buffer_.reset();
  }
  if (buffer_.size() - end_ < wanted && begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= std::exchange(begin_, 0);
  }
  // A header alone gets nothing. Once some of its body has come there is room for all of it at
  // once, of which only what arrives is ever written to, and so becomes memory.
  if (buffer_.size() - end_ < wanted) {
    raw_memory bigger{std::max(
        {end_ + wanted, 2 * end_, end_ >= believed_from ? end_ + missing() : std::size_t{0}})};
    if (end_ > 0)
      std::memcpy(bigger.data(), buffer_.data(), end_);
    buffer_ = std::move(bigger);
  }
  return buffer_.data() + end_;
}

result<std::optional<frame>> frame_reader::next() {
  if (pending() < frame_header_bytes)
    return std::optional<frame>{};
  const char* header = buffer_.data() + begin_;
  auto length = load_le32(header);
  auto type = static_cast<unsigned char>(header[4]);
  if (length > max_body_)
    return error{errc::malformed, "a frame announces " + std::to_string(length)
                                      + " bytes, over the limit of " + std::to_string(max_body_)};
  if (!is_known(type) || header[5] != 0 || header[6] != 0 || header[7] != 0)
    return error{errc::malformed, "a frame has the unknown type " + std::to_string(type)};
  if (pending() - frame_header_bytes < length)
    return std::optional<frame>{};
  begin_ += frame_header_bytes + length;
  return std::optional{frame{static_cast<frame_type>(type), {header + frame_header_bytes, length}}};
}

std::size_t frame_reader::missing() const noexcept {
  if (pending() < frame_header_bytes)
    return 0;
  auto length = load_le32(buffer_.data() + begin_);
  auto held = pending() - frame_header_bytes;
  return held < length ? length - held : 0;
}

} // namespace vivarium::bridge
