// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/log.hpp"

#include <string_view>

namespace vivarium {

/// Writes a record of a session's code, an encoded and validated vivarium.v1.LogRecord, as a line
/// of the daemon's log. It is the tenant's own text: whoever configures the log says that it may be
/// there.
void log_code_record(log& into, std::string_view tenant, std::string_view session,
                     std::string_view request_id, std::string_view record);

} // namespace vivarium
