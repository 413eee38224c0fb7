// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace vivarium {

/// Bounds on what a connection holds for a client that does not keep up.
struct watermarks {
  std::size_t write_high = 1u << 20;  ///< Unsent output above which nothing new is begun.
  std::size_t write_low = 512u << 10; ///< Unsent output at which it goes on.
  std::size_t read_high = 64u << 10;  ///< Input held of requests behind the one being answered.
};

/// Tells by two watermarks whether a queue is too full. Between the two it stays what it was, so
/// that whoever fills the queue is not woken for every few bytes that leave.
class congestion {
public:
  /// `low` is at most `high`.
  congestion(std::size_t high, std::size_t low) noexcept : high_{high}, low_{low} {}

  [[nodiscard]] bool at(std::size_t size) const noexcept {
    return size > high_ || (full_ && size > low_);
  }
  /// To be called when something was added.
  void note(std::size_t size) noexcept { full_ = full_ || size > high_; }
  /// To be called when something was removed: whether the queue was too full and is no longer. Only
  /// this ends it, so that whoever stopped is told.
  [[nodiscard]] bool relieved(std::size_t size) noexcept {
    if (!full_ || size > low_)
      return false;
    full_ = false;
    return true;
  }

private:
  std::size_t high_;
  std::size_t low_;
  bool full_ = false;
};

} // namespace vivarium
