// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"

#include <chrono>
#include <string_view>

namespace vivarium::cli {

/// Reads a duration with its unit: "100ms", "2s", "1.5m", "1h".
[[nodiscard]] result<std::chrono::milliseconds> parse_duration(std::string_view text);

} // namespace vivarium::cli
