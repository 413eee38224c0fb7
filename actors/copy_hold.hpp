// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace vivarium {

/// Bytes that copies hold together.
using copy_budget = std::shared_ptr<std::atomic<std::uint64_t>>;

/// A part of that for as long as it lives. Any thread.
class copy_hold {
public:
  /// Takes so much, refuses when all copies together would hold more than `most`.
  static result<copy_hold> take(copy_budget of, std::uint64_t bytes, std::uint64_t most) {
    if (of->fetch_add(bytes) + bytes > most) {
      of->fetch_sub(bytes);
      return error{errc::limit_exceeded,
                   "what transactions have copied before they began would be over "
                       + std::to_string(most)
                       + " bytes (limits.transaction_bytes); try again when some have ended"};
    }
    return copy_hold{std::move(of), bytes};
  }
  copy_hold(copy_hold&& other) noexcept
      : of_{std::move(other.of_)}, bytes_{std::exchange(other.bytes_, 0)} {}
  copy_hold& operator=(copy_hold&&) = delete;
  ~copy_hold() {
    if (of_)
      of_->fetch_sub(bytes_);
  }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }

private:
  copy_hold(copy_budget of, std::uint64_t bytes) noexcept : of_{std::move(of)}, bytes_{bytes} {}
  copy_budget of_;
  std::uint64_t bytes_;
};

} // namespace vivarium
