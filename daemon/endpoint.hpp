// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/access.hpp"
#include "daemon/authenticator.hpp"
#include "daemon/congestion.hpp"
#include "daemon/http_parser.hpp"
#include "daemon/log.hpp"
#include "daemon/metrics.hpp"
#include "daemon/rpc.hpp"
#include "daemon/tracer.hpp"
#include "daemon/turns.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace vivarium {

/// Bounds on what clients may do to the network side.
struct network_limits {
  http_limits http;
  std::chrono::milliseconds header_timeout{10'000};
  std::chrono::milliseconds body_timeout{60'000};
  std::chrono::milliseconds idle_timeout{300'000};
  std::chrono::milliseconds write_timeout{30'000};
  std::chrono::milliseconds ping_interval{30'000}; ///< WebSocket; two unanswered end it.
  std::size_t frame_bytes = 64u << 20;             ///< A WebSocket message.
  /// Of requests that have not wholly arrived, all connections together.
  std::size_t arriving_bytes = 512u << 20;
  /// Of what clients have not taken yet, all connections together.
  std::size_t unsent_bytes = 512u << 20;
  std::size_t in_flight = 1'000; ///< Requests at once on a WebSocket.
  std::size_t max_connections = 10'000;
  watermarks marks;
};

/// A client that was let in, and the room that it takes.
struct guest {
  identity who;
  quota_hold room;
  turns::seat seat;
};

class streamed_route;

/// What all conversations share. Owned by the server; outlives every connection.
struct endpoint {
  side_thread aside;
  rpc::context calls;
  access_rules access;
  authenticator& auth;
  turns shares;
  network_limits limits;
  vivarium::metrics& meters;
  vivarium::log& journal;
  tracer& tracing;
  std::string date; ///< For responses; renewed by the server's sweep.
  /// Who takes requests from the API; the first that does has it. Each outlives the server.
  std::vector<streamed_route*> routes;
  bool show_metrics = true;
  bool draining = false; ///< Set once, when the daemon begins to stop.
};

/// Writes the log line of an answered call: failures of ours as warnings, all else for debugging.
void log_call(endpoint& at, carrier how, const rpc::method_info& what,
              const std::string& request_id, const std::string& tenant, const trace_context& trace,
              const error* why, clock_type::duration took);

/// Tells the collector of an answered call, where it is recorded.
void trace_call(endpoint& at, carrier how, const rpc::method_info& what,
                const std::string& request_id, const std::string& tenant, const trace_place& trace,
                const error* why, clock_type::time_point began);

} // namespace vivarium
