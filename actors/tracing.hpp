// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/trace_context.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

// Traces of requests: each has a `trace_place`, which is a value that goes along with it, and who
// has done a piece of the work tells the observer of it afterwards. Of a request that is not
// recorded nobody tells anything.

namespace vivarium {

class execution;
class observer;
struct verdict;

/// Numbers equal OpenTelemetry's SpanKind.
enum class span_kind : std::uint8_t { internal = 1, server = 2, client = 3 };

/// What every piece of work has. Texts are ours, never a tenant's.
struct span_facts {
  std::string_view name;
  span_kind kind = span_kind::internal;
  std::chrono::steady_clock::time_point from;
  std::chrono::steady_clock::time_point to;
  std::string_view trouble = {}; ///< A stable name of what went wrong; empty when nothing did.
};

/// Tells of an execution that has ended: of its time in the queue and of its run. Neither source
/// nor output nor the text of an error is among that.
void trace_execution(observer& to, const std::string& tenant, const std::string& environment,
                     const execution& what, const verdict& how);

} // namespace vivarium
