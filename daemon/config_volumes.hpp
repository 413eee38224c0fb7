// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/config.hpp"
#include "daemon/config_reader.hpp"

namespace vivarium {

/// Reads [volumes.NAME]: volumes that are kept in a bucket. Keys come from files, so that the
/// configuration need not be secret.
void read_volumes(table_reader in, config& into);

} // namespace vivarium
