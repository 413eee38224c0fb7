// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

namespace vivarium {

/// A part of a sum of bytes that somebody bounds; taken off it again when this goes. Reactor
/// thread.
class byte_charge {
public:
  using sum = std::shared_ptr<std::size_t>;

  byte_charge() noexcept = default;
  byte_charge(sum of, std::size_t bytes) noexcept : sum_{std::move(of)}, bytes_{bytes} {
    *sum_ += bytes_;
  }
  byte_charge(byte_charge&& other) noexcept
      : sum_{std::move(other.sum_)}, bytes_{std::exchange(other.bytes_, 0)} {}
  byte_charge& operator=(byte_charge&& other) noexcept {
    std::swap(sum_, other.sum_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~byte_charge() {
    if (sum_)
      *sum_ -= bytes_;
  }

private:
  sum sum_;
  std::size_t bytes_ = 0;
};

} // namespace vivarium
