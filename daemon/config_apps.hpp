// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/config_reader.hpp"

namespace vivarium {

/// Reads [apps]: what holds for web applications that do not say it themselves.
void read_apps(table_reader in, config& into);

} // namespace vivarium
