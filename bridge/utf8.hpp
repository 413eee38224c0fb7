// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>

namespace vivarium::bridge {

/// Returns the length of the longest valid prefix of `text`: whole characters of UTF-8, without
/// surrogates or overlong forms. ASCII is passed over eight bytes at a time and faster.
[[nodiscard]] std::size_t utf8_prefix(std::string_view text) noexcept;

} // namespace vivarium::bridge
