// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/config_reader.hpp"

#include <optional>

namespace vivarium {

/// Reads [tracing]: where spans are sent.
void read_tracing(table_reader in, config& into);

/// Reads a share such as "5%" or "0.01%", to parts of a million; nothing when it is none.
[[nodiscard]] std::optional<std::uint32_t> read_percent(std::string_view text) noexcept;

/// Adds headers, a line "Name: value" each, or as OpenTelemetry's variables hold them,
/// "name=value,name=value". False: one of them is none, or not the operator's to set.
[[nodiscard]] bool add_header_lines(tracing_settings& into, std::string_view lines);
[[nodiscard]] bool add_header_list(tracing_settings& into, std::string_view list);

} // namespace vivarium
