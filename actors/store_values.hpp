// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vivarium {

/// What one tenant may keep.
struct store_quota {
  std::uint64_t bytes = 0; ///< Keys and values.
  std::uint64_t keys = 0;
};

/// Which keys are wanted.
struct store_query {
  std::string prefix;
  std::string after;
  std::vector<std::string> only; ///< Sorted; empty: all.
  std::size_t limit = 1'000;
  bool values = false;
};

/// A page of a listing.
struct store_page {
  std::vector<std::pair<std::string, std::string>> entries; ///< Values only where asked for.
  std::string next; ///< Key to go on behind; empty when there are no more.
};

inline constexpr std::size_t most_key_bytes = 1'024;
inline constexpr std::size_t most_page_entries = 1'000;
inline constexpr std::size_t most_page_bytes = 4u << 20;

/// Whether a key can be one: 1 to 1,024 bytes of UTF-8 without control characters.
[[nodiscard]] status check_key(std::string_view key);
/// Whether text is one JSON value (RFC 8259) of bounded depth.
[[nodiscard]] status check_json(std::string_view text);

} // namespace vivarium
