// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/audit.hpp"
#include "actors/circuit.hpp"
#include "actors/execution.hpp"
#include "actors/tracing.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace vivarium {

/// A session pool, as it is counted. `name` is empty for one that a client has made: the names of
/// those are a tenant's.
struct session_pool_label {
  std::string tenant; ///< Or trust group, when it is shared.
  std::string name;
};

/// What the actors tell whoever counts. Called on the reactor thread; must be quick and must not
/// throw. Tenant-chosen text never appears among the arguments, so that all may become labels; that
/// is not so for what `audit` is told.
class observer : public auditor {
public:
  /// An execution ended. `outcome`: "ok" or the name of an error kind; `cause`: "" or Cause.cause.
  virtual void execution_ended(const std::string& tenant, const std::string& environment,
                               const std::string& outcome, const std::string& cause,
                               const usage& used) = 0;
  /// An execution failed that nobody was going to ask for. `outcome`: the name of an error kind.
  virtual void detached_failed(const std::string& tenant, const std::string& environment,
                               const std::string& outcome) = 0;
  virtual void session_opened(const std::string& tenant, const std::string& environment,
                              std::chrono::microseconds took) = 0;
  virtual void session_closed(const std::string& tenant, const std::string& environment,
                              const std::string& cause) = 0;
  /// A session asked for a worker: was one ready? `group`, here and below: the trust group that
  /// the pool is of, most often a tenant by itself.
  virtual void pool_asked(const std::string& environment, const std::string& group, bool hit) = 0;
  /// How many workers stand ready, and how many live in all.
  virtual void pool_level(const std::string& environment, const std::string& group,
                          std::size_t ready, std::size_t live) = 0;
  /// A worker was made: from the order until it said hello.
  virtual void worker_made(const std::string& environment, const std::string& group,
                           std::chrono::microseconds took) = 0;
  /// A worker could not be made or failed attestation. `step` is one of a fixed set.
  virtual void worker_refused(const std::string& environment, const std::string& group,
                              const std::string& step) = 0;
  virtual void zygote_started(const std::string& environment, const std::string& group) = 0;
  virtual void jail_restarted(const std::string& environment, const std::string& group) = 0;
  /// A worker tried a system call that the sandbox refuses. `call`: the kernel's name of it.
  virtual void call_denied(const std::string& environment, const std::string& call) = 0;
  /// A session met one of its limits. `which`: Cause.limit, or the wire name of the limit.
  virtual void limit_reached(const std::string& tenant, const std::string& environment,
                             const std::string& which) = 0;
  /// The watch went round once.
  virtual void memory_polled(std::chrono::microseconds took) = 0;
  /// An attempt to connect out of a session ended. `outcome` is one of a fixed set.
  virtual void egress_ended(const std::string& tenant, const std::string& environment,
                            const std::string& outcome) = 0;
  /// Bytes have gone through the connections of a session.
  virtual void egress_bytes(const std::string& tenant, const std::string& environment,
                            std::uint64_t sent, std::uint64_t received) = 0;
  /// A tenant met one of its quotas. `quota`: a name of a fixed set.
  virtual void quota_refused(const std::string& tenant, std::string_view quota) = 0;
  /// A tenant uses more of the processors than its part and is behind others now, or is no more.
  virtual void tenant_stands(const std::string& tenant, bool behind) = 0;
  /// What a tenant's workers have used of the processors.
  virtual void cpu_used(const std::string& tenant, std::chrono::microseconds more) = 0;
  /// A call of code to the application ended. `outcome` is one of a fixed set.
  virtual void host_called(const std::string& tenant, const std::string& environment,
                           const std::string& outcome, std::chrono::microseconds took) = 0;
  /// A call of code to a capability ended. `method` and `outcome` are of fixed sets.
  virtual void capability_used(const std::string& tenant, const std::string& environment,
                               std::string_view method, std::string_view outcome,
                               std::chrono::microseconds took) = 0;
  /// A request was, or was not, passed on by HTTP rules. `outcome` is one of a fixed set.
  virtual void http_brokered(const std::string& tenant, const std::string& environment,
                             std::string_view outcome) = 0;
  /// Code logged a record: an encoded, validated vivarium.v1.LogRecord, which is the tenant's text.
  /// `request_id`: of its execution; empty for code of none.
  virtual void code_logged(const std::string& tenant, const std::string& session,
                           std::string_view request_id, std::string_view record) = 0;
  /// A call of a session pool met that fate. `outcome`: "run", "busy", "full", "lost",
  /// "unavailable", "expired" or "cancelled".
  virtual void session_pool_call(const session_pool_label& pool, std::string_view outcome) = 0;
  /// A call waited so long for a session of a pool.
  virtual void session_pool_waited(const session_pool_label& pool,
                                   std::chrono::microseconds took) = 0;
  /// How many sessions of a pool are ready, how many of those are busy, how many calls wait: the
  /// change.
  virtual void session_pool_level(const session_pool_label& pool, std::int64_t ready,
                                  std::int64_t busy, std::int64_t waiting) = 0;
  /// A session of a pool has ended by itself and is replaced.
  virtual void session_pool_replaced(const session_pool_label& pool) = 0;
  /// A request to an application ended. `outcome`: "ok", "failed", "timeout", "lost", "malformed"
  /// or "refused".
  virtual void app_request_ended(const std::string& tenant, std::string_view outcome,
                                 std::chrono::microseconds took) = 0;
  /// Messages of a tenant met that fate. `outcome`: "delivered", "dropped", "nobody" or "refused".
  virtual void message_ended(const std::string& tenant, std::string_view outcome,
                             std::uint64_t count) = 0;
  /// A circuit of a tenant, or trust group, and an environment is in that state now. `layer`:
  /// "session" or "pool".
  virtual void circuit_is(const std::string& tenant, const std::string& environment,
                          std::string_view layer, circuit_state now) = 0;
  /// A session was refused because of an open circuit.
  virtual void circuit_refused(const std::string& tenant, const std::string& environment,
                               std::string_view layer) = 0;
  /// Something was replaced because of its age or its work. `layer`: "pool", "session_pool" or
  /// "app"; `cause`: "age" or "count".
  virtual void recycled(const std::string& tenant, const std::string& environment,
                        std::string_view layer, std::string_view cause) = 0;
  /// A worker was asked whether it lives. `outcome`: "asked", "answered", "missed" or "ended".
  virtual void heartbeat(std::string_view outcome) = 0;
  /// A piece of work of a request that is recorded is over. What it tells is for the operator's
  /// collector: no code, no output, no secrets.
  virtual void traced(const trace_place& at, const span_facts& what, audit_fields with) = 0;
  /// An actor ended unexpectedly and was restarted by its supervisor.
  virtual void actor_restarted(const std::string& kind) = 0;
};

} // namespace vivarium
