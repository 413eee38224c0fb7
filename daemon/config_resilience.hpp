// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/config_reader.hpp"

namespace vivarium {

/// Reads `[breaker]`: when environments that do not start are not tried any more.
void read_breaker(table_reader in, config& into);
/// Reads `[heartbeats]`: how workers are asked whether they live.
void read_heartbeats(table_reader in, config& into);

} // namespace vivarium
