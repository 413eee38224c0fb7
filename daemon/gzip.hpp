// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace vivarium {

/// Decompresses one gzip stream (and any that follow it). Refuses what would exceed `limit` bytes
/// with `too_large`, before it exists, and anything else that is not gzip with `invalid_argument`.
[[nodiscard]] result<std::string> gunzip(std::string_view bytes, std::size_t limit);

/// Compresses quickly rather than well.
[[nodiscard]] std::string gzip(std::string_view bytes);

/// Responses outside these bounds are sent as they are: small ones gain nothing, and large ones
/// would hold up everybody else on the reactor thread.
inline constexpr std::size_t gzip_from_bytes = 1u << 10;
inline constexpr std::size_t gzip_to_bytes = 512u << 10;

} // namespace vivarium
