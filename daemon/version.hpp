// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace vivarium {

/// The daemon's version, as the build gives it.
inline constexpr std::string_view version = VIVARIUM_VERSION;

} // namespace vivarium
