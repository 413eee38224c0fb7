// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>

namespace vivarium::bridge {

/// Whether text is exactly one JSON value (RFC 8259) in UTF-8 that nests at most so deep. Builds
/// nothing. Any thread.
[[nodiscard]] bool is_json(std::string_view text, std::size_t max_depth) noexcept;

} // namespace vivarium::bridge
