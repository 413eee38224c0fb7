// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>

namespace vivarium {

/// A growing buffer that is filled at its end and emptied at its front. Unlike std::string it never
/// clears memory that is about to be overwritten by a read.
class byte_buffer {
public:
  [[nodiscard]] std::size_t size() const noexcept { return end_ - begin_; }
  [[nodiscard]] bool empty() const noexcept { return begin_ == end_; }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] char* data() noexcept { return bytes_.get() + begin_; }
  [[nodiscard]] std::string_view view() const noexcept { return {bytes_.get() + begin_, size()}; }

  /// Makes room for at least `wanted` more bytes and returns where they go; `room()` tells how many
  /// fit. Moves what is held.
  char* prepare(std::size_t wanted) {
    if (begin_ == end_)
      begin_ = end_ = 0;
    if (capacity_ - end_ < wanted)
      make_room(wanted);
    return bytes_.get() + end_;
  }
  [[nodiscard]] std::size_t room() const noexcept { return capacity_ - end_; }
  void commit(std::size_t n) noexcept { end_ += n; }

  /// Moves nothing: a read into what `prepare` returned may be pending.
  void consume(std::size_t n) noexcept { begin_ += n; }

  /// Gives memory back when the buffer is empty and holds more than `keep`.
  void shrink(std::size_t keep) {
    if (!empty() || capacity_ <= keep)
      return;
    bytes_.reset();
    begin_ = end_ = capacity_ = 0;
  }

private:
  void make_room(std::size_t wanted) {
    auto held = size();
    if (capacity_ >= held + wanted) {
      std::memmove(bytes_.get(), data(), held);
    } else {
      auto bigger = capacity_ * 2 > held + wanted ? capacity_ * 2 : held + wanted;
      std::unique_ptr<char[]> fresh{new char[bigger]};
      if (held > 0)
        std::memcpy(fresh.get(), data(), held);
      bytes_ = std::move(fresh);
      capacity_ = bigger;
    }
    begin_ = 0;
    end_ = held;
  }

  std::unique_ptr<char[]> bytes_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t capacity_ = 0;
};

} // namespace vivarium
