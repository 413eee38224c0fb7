// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bridge/value_view.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

namespace vivarium::bridge {

/// Arrays in natural JSON are lists up to these sizes: items and lists together, and dimensions,
/// because clients' libraries bound how deep JSON may nest.
inline constexpr std::uint64_t listed_items_at_most = 100'000;
inline constexpr std::size_t listed_dimensions_at_most = 6;

/// Whether natural JSON has a form for a kind, or for what `plain_form` makes of it.
[[nodiscard]] bool is_plain(value_kind kind) noexcept;

/// Returns an encoded Value of plain kinds that stands in natural JSON for one whose kind is not
/// plain, by the table in natural.hpp.
std::string plain_form(const value_view& value);

} // namespace vivarium::bridge
