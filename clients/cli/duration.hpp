// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace vivarium::cli {

/// Reads a duration with its unit: "100ms", "2s", "1.5m", "1h", up to a week.
[[nodiscard]] std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

} // namespace vivarium::cli
