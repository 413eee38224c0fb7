// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/tracer.hpp"

#include <string>

namespace vivarium {

/// Returns the part of /metrics that is about traces, in the text format 0.0.4.
[[nodiscard]] std::string tracing_metrics(const tracer& of);

} // namespace vivarium
