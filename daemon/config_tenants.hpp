// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/config_reader.hpp"

namespace vivarium {

/// Reads [timeouts.NAME].
void read_timeouts(table_reader in, config& into);
/// Profiles that exist without any configuration.
[[nodiscard]] std::map<std::string, timeout_profile> default_timeout_profiles();
/// Reads [auth], to be read after [tls].
void read_auth(table_reader in, config& into);
/// Reads [tenants.NAME], to be read after [environments], [limits], [timeouts] and [auth]; takes
/// the local tenant away where clients are asked who they are.
void read_tenants(table_reader in, config& into);

} // namespace vivarium
