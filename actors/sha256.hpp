// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace vivarium {

inline constexpr std::size_t sha256_bytes = 32;

/// SHA-256 of what comes piece by piece. One thread at a time.
class sha256 {
public:
  sha256();
  void add(std::string_view bytes);
  /// Returns the 32 bytes; nothing can be added afterwards.
  [[nodiscard]] std::string finish();

private:
  struct release {
    void operator()(void* context) const noexcept;
  };
  std::unique_ptr<void, release> context_;
};

} // namespace vivarium
