// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>

namespace vivarium::sandbox {

/// Hands out uids of the jail's range. One that was given back is the last to be used again, and is
/// given back only when no process of it lives: a process of the next owner must not meet, nor
/// share kernel quotas with, one of the last.
class uid_pool {
public:
  /// Returns a free uid, or 0 when all are in use.
  std::uint32_t take() {
    if (next_ < last)
      return next_++;
    if (free_.empty())
      return 0;
    auto uid = free_.front();
    free_.pop_front();
    return uid;
  }
  void give_back(std::uint32_t uid) {
    if (uid != 0)
      free_.push_back(uid);
  }

private:
  static constexpr std::uint32_t first = 1'000;
  static constexpr std::uint32_t last = 65'000; // Stays clear of 65534, the overflow uid.
  std::uint32_t next_ = first;
  std::deque<std::uint32_t> free_;
};

} // namespace vivarium::sandbox
