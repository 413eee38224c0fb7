// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace vivarium::cli {

/// Returns text that comes from a tenant as a terminal may get it: what steers one, turns the
/// direction of writing around, is invisible or is no UTF-8 is written out as an escape.
[[nodiscard]] std::string printable(std::string_view text);

/// Returns how many places text takes that is printable, one for each character.
[[nodiscard]] std::size_t width_of(std::string_view text) noexcept;

/// Cuts text that is printable to so many places.
[[nodiscard]] std::string_view cut_to(std::string_view text, std::size_t width) noexcept;

} // namespace vivarium::cli
