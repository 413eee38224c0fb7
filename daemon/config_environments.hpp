// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/config_reader.hpp"

namespace vivarium {

/// Reads [builds].
void read_builds(table_reader in, build_settings& into);
/// Reads [environments.NAME]; to be read after [builds].
void read_environments(table_reader in, config& into);

} // namespace vivarium
