// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "clients/cli/interrupts.hpp"

#include <vivarium/runner.hpp>

namespace vivarium::cli {

/// Shows the output of an execution as it comes. The first Ctrl-C cancels it, which the daemon
/// enforces after its grace period; the session is kept when the code yields. Returns the verdict,
/// without the output.
[[nodiscard]] verdict show_live(const execution& what, const interrupts& keyboard);

} // namespace vivarium::cli
