// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/config_reader.hpp"

namespace vivarium {

/// Takes the text of the file that a key names.
void take_file(table_reader& in, std::string_view key, std::string& into);
/// Reads [databases.NAME], what sessions may ask for.
void read_databases(table_reader in, config& into);
/// Reads [store].
void read_store(table_reader in, config& into);

} // namespace vivarium
