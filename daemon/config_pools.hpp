// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/config_reader.hpp"

namespace vivarium {

/// Reads [pools.NAME], session pools; to be read after [environments], [egress] and [limits].
void read_session_pools(table_reader in, config& into);
/// Complains about tenants that pools name and that are not there; to be called when all tenants
/// have been read.
void check_session_pools(table_reader in, const config& of);
/// Reads maxima as wishes: limits of a session.
void read_session_limits(table_reader& in, const config& of, limits_request& into);

} // namespace vivarium
