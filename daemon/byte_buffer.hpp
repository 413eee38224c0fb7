// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bridge/raw_memory.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string_view>
#include <utility>

namespace vivarium {

/// A growing buffer that is filled at its end and emptied at its front. Unlike std::string it never
/// clears memory that is about to be overwritten by a read.
class byte_buffer {
public:
  [[nodiscard]] std::size_t size() const noexcept { return end_ - begin_; }
  [[nodiscard]] bool empty() const noexcept { return begin_ == end_; }
  [[nodiscard]] std::size_t capacity() const noexcept { return bytes_.size(); }
  [[nodiscard]] char* data() noexcept { return bytes_.data() + begin_; }
  [[nodiscard]] std::string_view view() const noexcept { return {bytes_.data() + begin_, size()}; }

  /// Makes room for at least `wanted` more bytes and returns where they go; `room()` tells how many
  /// fit. Moves what is held. When it has to grow, it grows to hold `expected` more: what has not
  /// come yet is not memory yet.
  char* prepare(std::size_t wanted, std::size_t expected = 0) {
    if (begin_ == end_)
      begin_ = end_ = 0;
    if (capacity() - end_ < wanted)
      make_room(wanted, std::max(wanted, expected));
    return bytes_.data() + end_;
  }
  [[nodiscard]] std::size_t room() const noexcept { return capacity() - end_; }
  void commit(std::size_t n) noexcept { end_ += n; }

  /// Moves nothing: a read into what `prepare` returned may be pending.
  void consume(std::size_t n) noexcept { begin_ += n; }

  /// Gives memory back when the buffer is empty and holds more than `keep`.
  void shrink(std::size_t keep) {
    if (!empty() || capacity() <= keep)
      return;
    bytes_.reset();
    begin_ = end_ = 0;
  }

private:
  void make_room(std::size_t wanted, std::size_t expected) {
    auto held = size();
    if (capacity() >= held + wanted) {
      std::memmove(bytes_.data(), data(), held);
    } else {
      bridge::raw_memory fresh{std::max(capacity() * 2, held + expected)};
      if (held > 0)
        std::memcpy(fresh.data(), data(), held);
      bytes_ = std::move(fresh);
    }
    begin_ = 0;
    end_ = held;
  }

  bridge::raw_memory bytes_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

} // namespace vivarium
