// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace vivarium {

/// Appends the base64 form of `bytes`, without padding: what Connect wants in headers and details.
void append_base64(std::string& out, std::string_view bytes);

/// Decodes base64, standard or URL-safe alphabet, padded or not. Nothing when it is not base64.
[[nodiscard]] std::optional<std::string> decode_base64(std::string_view text);

/// Decodes percent-escapes and '+' of a query component. Nothing when an escape is broken.
[[nodiscard]] std::optional<std::string> decode_query(std::string_view text);

} // namespace vivarium
