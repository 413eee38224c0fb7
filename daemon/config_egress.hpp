// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/config_reader.hpp"

namespace vivarium {

/// Reads [egress.NAME], the policies that sessions may ask for.
void read_egress(table_reader in, config& into);

} // namespace vivarium
