// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/observer.hpp"
#include "daemon/audit_log.hpp"
#include "daemon/authenticator.hpp"
#include "daemon/connection.hpp"
#include "daemon/http_request.hpp"
#include "daemon/log.hpp"
#include "daemon/rpc.hpp"
#include "daemon/use_ledger.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vivarium {

class resilience_meters;
class tracer;

/// How a request came.
enum class carrier : std::uint8_t { http, websocket };

/// Everything that /metrics shows. Implements what the actors report, counts what the network side
/// does. Reactor thread.
class metrics final : public observer {
public:
  /// What `audit` is told is counted and passed on to `book`, which must outlive this.
  explicit metrics(audit_log& book);
  ~metrics() override;

  // From the actors.
  void execution_ended(const std::string& tenant, const std::string& environment,
                       const std::string& outcome, const std::string& cause,
                       const usage& used) override;
  void detached_failed(const std::string& tenant, const std::string& environment,
                       const std::string& outcome) override;
  void session_opened(const std::string& tenant, const std::string& environment,
                      std::chrono::microseconds took) override;
  void session_closed(const std::string& tenant, const std::string& environment,
                      const std::string& cause) override;
  void pool_asked(const std::string& environment, const std::string& group, bool hit) override;
  void pool_level(const std::string& environment, const std::string& group, std::size_t ready,
                  std::size_t live) override;
  void worker_made(const std::string& environment, const std::string& group,
                   std::chrono::microseconds took) override;
  void worker_refused(const std::string& environment, const std::string& group,
                      const std::string& step) override;
  void zygote_started(const std::string& environment, const std::string& group) override;
  void jail_restarted(const std::string& environment, const std::string& group) override;
  void call_denied(const std::string& environment, const std::string& call) override;
  void limit_reached(const std::string& tenant, const std::string& environment,
                     const std::string& which) override;
  void memory_polled(std::chrono::microseconds took) override;
  void egress_ended(const std::string& tenant, const std::string& environment,
                    const std::string& outcome) override;
  void egress_bytes(const std::string& tenant, const std::string& environment, std::uint64_t sent,
                    std::uint64_t received) override;
  void quota_refused(const std::string& tenant, std::string_view quota) override;
  void tenant_stands(const std::string& tenant, bool behind) override;
  void cpu_used(const std::string& tenant, std::chrono::microseconds more) override;
  void capability_used(const std::string& tenant, const std::string& environment,
                       std::string_view method, std::string_view outcome,
                       std::chrono::microseconds took) override;
  void http_brokered(const std::string& tenant, const std::string& environment,
                     std::string_view outcome) override;
  void host_called(const std::string& tenant, const std::string& environment,
                   const std::string& outcome, std::chrono::microseconds took) override;
  void code_logged(const std::string& tenant, const std::string& session,
                   std::string_view request_id, std::string_view record) override;
  void session_pool_call(const session_pool_label& pool, std::string_view outcome) override;
  void session_pool_waited(const session_pool_label& pool, std::chrono::microseconds took) override;
  void session_pool_level(const session_pool_label& pool, std::int64_t ready, std::int64_t busy,
                          std::int64_t waiting) override;
  void session_pool_replaced(const session_pool_label& pool) override;
  void app_request_ended(const std::string& tenant, std::string_view outcome,
                         std::chrono::microseconds took) override;
  void message_ended(const std::string& tenant, std::string_view outcome,
                     std::uint64_t count) override;
  void circuit_is(const std::string& tenant, const std::string& environment, std::string_view layer,
                  circuit_state now) override;
  void circuit_refused(const std::string& tenant, const std::string& environment,
                       std::string_view layer) override;
  void recycled(const std::string& tenant, const std::string& environment, std::string_view layer,
                std::string_view cause) override;
  void heartbeat(std::string_view outcome) override;
  void traced(const trace_place& at, const span_facts& what, audit_fields with) override;
  void actor_restarted(const std::string& kind) override;
  void audit(audit_event what, const audit_subject& who, audit_fields with) override;

  // From the network side.
  /// A method of the API was answered. `code` is "ok" or Connect's name of an error.
  void call_ended(rpc::method what, std::string_view code, clock_type::duration took);
  /// An HTTP response was begun; this includes those of methods.
  void responded(http_verb verb, int status);
  void connection_opened();
  void connection_closed();
  void connection_refused();
  void accept_failed();
  traffic& bytes() noexcept { return bytes_; }

  /// Shows the figures of `auth`, which must outlive this or be replaced.
  void count_failures_of(const authenticator& auth);

  /// What is recorded of traces goes to `into`, which must outlive this.
  void trace_with(tracer& into) { tracer_ = &into; }

  /// Records of sessions' code go to `into` as well, which must outlive this.
  void pass_records_to(log& into) { records_ = &into; }

  // Of the sandbox.
  void layer_state(const std::string& layer, bool present);

  /// Has /metrics show what `part` returns, in the same format, behind its own. It is called on the
  /// reactor's thread.
  void show_also(std::function<std::string()> part) { parts_.push_back(std::move(part)); }
  /// What executions came to, by tenant.
  [[nodiscard]] const use_ledger& uses() const noexcept { return uses_; }

  /// Returns what makes the text format 0.0.4 of everything, with the process's own figures read
  /// now. That may run on another thread, since it takes long where there is much to show; this has
  /// to outlive it.
  [[nodiscard]] std::function<std::string()> reading();

private:
  struct families;
  std::unique_ptr<families> families_;
  std::unique_ptr<resilience_meters> resilience_;
  audit_log& book_;
  const authenticator* auth_ = nullptr;
  log* records_ = nullptr;
  tracer* tracer_ = nullptr;
  traffic bytes_;
  std::vector<std::function<std::string()>> parts_;
  use_ledger uses_;
};

} // namespace vivarium
