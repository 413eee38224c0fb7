// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

namespace vivarium {

/// A part of a tenant's quota that is in use; gives it back in its destructor. Reactor thread.
class quota_hold {
public:
  quota_hold() noexcept = default;
  quota_hold(std::shared_ptr<std::uint64_t> used, std::uint64_t amount) noexcept
      : used_{std::move(used)}, amount_{amount} {
    *used_ += amount_;
  }
  quota_hold(quota_hold&& other) noexcept = default;
  quota_hold& operator=(quota_hold&& other) noexcept {
    release();
    used_ = std::move(other.used_);
    amount_ = other.amount_;
    return *this;
  }
  ~quota_hold() { release(); }

  void release() noexcept {
    if (auto used = std::exchange(used_, nullptr))
      *used -= amount_;
  }

private:
  std::shared_ptr<std::uint64_t> used_;
  std::uint64_t amount_ = 0;
};

} // namespace vivarium
