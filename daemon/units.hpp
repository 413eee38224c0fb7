// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vivarium {

/// Reads "100ms", "2s", "5m", "1h" or "30d". Nothing when it is anything else.
[[nodiscard]] std::optional<std::chrono::milliseconds>
parse_duration(std::string_view text) noexcept;

/// Reads "10B", "1KiB", "64MiB" or "2GiB". Nothing when it is anything else.
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text) noexcept;

/// The shortest text that these readers would take for it, e.g. "90s", "64MiB".
[[nodiscard]] std::string show_duration(std::chrono::milliseconds value);
[[nodiscard]] std::string show_size(std::uint64_t bytes);

} // namespace vivarium
