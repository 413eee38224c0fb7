// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/capabilities.hpp"

#include <string_view>

namespace vivarium::wire {

/// Reads an encoded vivarium.v1.Capabilities into what is asked for.
[[nodiscard]] status read_capabilities(capability_request& into, std::string_view bytes);

} // namespace vivarium::wire
