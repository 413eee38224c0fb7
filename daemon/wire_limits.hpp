// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/session_limits.hpp"

#include <string>
#include <string_view>

namespace vivarium::wire {

/// Reads vivarium.v1.Limits; a field that comes again counts last.
[[nodiscard]] status read_limits(limits_request& into, std::string_view bytes);

/// Appends it as a field. What is not limited is left out.
void append_limits(std::string& out, std::uint32_t field, const session_limits& what);

} // namespace vivarium::wire
