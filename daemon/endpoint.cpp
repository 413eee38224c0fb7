// SPDX-License-Identifier: Apache-2.0
#include "daemon/endpoint.hpp"

#include "daemon/wire.hpp"

namespace vivarium {

void log_call(endpoint& at, carrier how, const rpc::method_info& what,
              const std::string& request_id, const std::string& tenant, const trace_context& trace,
              const error* why, clock_type::duration took) {
  auto status = why != nullptr ? wire::face_of(why->code).status : 200;
  bool ours = status == 500 || status == 503 || (why != nullptr && why->code == errc::session_lost);
  auto level = ours ? log_level::warn : log_level::debug;
  if (!at.journal.enabled(level))
    return;
  auto seconds = std::chrono::duration<double>(took).count();
  std::string_view code = why != nullptr ? name_of(why->code) : "ok";
  // Details of our own failures are for the operator; those of requests may quote what tenants
  // sent.
  std::string_view detail = ours ? std::string_view{why->detail} : std::string_view{};
  const auto traceparent = traceparent_of(trace);
  log::fields fields{{"request_id", request_id},
                     {"tenant", tenant},
                     {"method", what.name},
                     {"carrier", how == carrier::http ? "http" : "websocket"},
                     {"code", code},
                     {"duration_seconds", seconds},
                     {"traceparent", traceparent},
                     {"detail", detail}};
  if (ours)
    at.journal.warn("call failed", fields);
  else
    at.journal.debug("call", fields);
}

void trace_call(endpoint& at, carrier how, const rpc::method_info& what,
                const std::string& request_id, const std::string& tenant, const trace_place& trace,
                const error* why, clock_type::time_point began) {
  if (!trace.recorded)
    return;
  // "/vivarium.v1.ExecutionService/Eval"
  auto name = what.path.substr(1);
  auto slash = name.find('/');
  std::string_view code = why != nullptr ? wire::face_of(why->code).code : "";
  at.tracing.tell(trace,
                  {.name = name,
                   .kind = span_kind::server,
                   .from = began,
                   .to = clock_type::now(),
                   .trouble = why != nullptr ? name_of(why->code) : std::string_view{}},
                  {{"rpc.system", how == carrier::http ? "connect_rpc" : "vivarium"},
                   {"rpc.service", name.substr(0, slash)},
                   {"rpc.method", name.substr(slash + 1)},
                   {"rpc.connect_rpc.error_code", code},
                   {"network.protocol.name", how == carrier::http ? "http" : "websocket"},
                   {"vivarium.tenant", tenant},
                   {"vivarium.request.id", request_id}});
}

} // namespace vivarium
