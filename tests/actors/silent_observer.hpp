// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/observer.hpp"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace vivarium::test {

/// Counts what the tests ask for and nothing else.
struct silent_observer : observer {
  void execution_ended(const std::string&, const std::string&, const std::string& outcome,
                       const std::string&, const usage&) override {
    outcomes.push_back(outcome);
  }
  void detached_failed(const std::string&, const std::string&, const std::string& o) override {
    detached.push_back(o);
  }
  void session_opened(const std::string&, const std::string&, std::chrono::microseconds) override {}
  void session_closed(const std::string&, const std::string&, const std::string&) override {}
  void pool_asked(const std::string&, const std::string&, bool) override {}
  void pool_level(const std::string&, const std::string&, std::size_t, std::size_t) override {}
  void worker_made(const std::string&, const std::string&, std::chrono::microseconds) override {}
  void worker_refused(const std::string&, const std::string&, const std::string&) override {}
  void zygote_started(const std::string&, const std::string&) override {}
  void jail_restarted(const std::string&, const std::string&) override {}
  void call_denied(const std::string&, const std::string&) override {}
  void limit_reached(const std::string&, const std::string&, const std::string& which) override {
    reached.push_back(which);
  }
  void memory_polled(std::chrono::microseconds) override {}
  void egress_ended(const std::string&, const std::string&, const std::string& outcome) override {
    egress.push_back(outcome);
  }
  void egress_bytes(const std::string&, const std::string&, std::uint64_t, std::uint64_t) override {
  }
  void quota_refused(const std::string&, std::string_view) override {}
  void tenant_stands(const std::string& tenant, bool behind) override {
    standings.emplace_back(tenant, behind);
  }
  void cpu_used(const std::string&, std::chrono::microseconds) override {}
  void capability_used(const std::string&, const std::string&, std::string_view method,
                       std::string_view outcome, std::chrono::microseconds) override {
    capabilities.push_back(std::string{method} + " " + std::string{outcome});
  }
  void http_brokered(const std::string&, const std::string&, std::string_view) override {}
  void host_called(const std::string&, const std::string&, const std::string& outcome,
                   std::chrono::microseconds) override {
    called.push_back(outcome);
  }
  void code_logged(const std::string&, const std::string&, std::string_view,
                   std::string_view) override {
    ++logged;
  }
  void traced(const trace_place& at, const span_facts& what, audit_fields) override {
    spans.emplace_back(at, what.name);
  }
  void session_pool_call(const session_pool_label&, std::string_view outcome) override {
    pooled.emplace_back(outcome);
  }
  void session_pool_waited(const session_pool_label&, std::chrono::microseconds) override {}
  void session_pool_level(const session_pool_label&, std::int64_t ready, std::int64_t busy,
                          std::int64_t waiting) override {
    pool_ready += ready;
    pool_busy += busy;
    pool_waiting += waiting;
  }
  void session_pool_replaced(const session_pool_label&) override { ++replaced; }
  void app_request_ended(const std::string&, std::string_view outcome,
                         std::chrono::microseconds) override {
    ++app_requests[std::string{outcome}];
  }
  void message_ended(const std::string&, std::string_view outcome, std::uint64_t count) override {
    mail[std::string{outcome}] += count;
  }
  void circuit_is(const std::string&, const std::string&, std::string_view layer,
                  circuit_state now) override {
    circuits.emplace_back(layer, now);
  }
  void circuit_refused(const std::string&, const std::string&, std::string_view) override {}
  void recycled(const std::string&, const std::string&, std::string_view,
                std::string_view cause) override {
    recycled_for.emplace_back(cause);
  }
  void heartbeat(std::string_view outcome) override { ++heartbeats[std::string{outcome}]; }
  std::map<std::string, int> app_requests;
  std::map<std::string, int> heartbeats;
  std::vector<std::string> recycled_for;
  std::vector<std::pair<std::string, circuit_state>> circuits;
  void actor_restarted(const std::string&) override { ++restarted; }
  void audit(audit_event what, const audit_subject&, audit_fields) override {
    audited.push_back(what);
  }

  std::vector<std::string> outcomes;
  std::vector<std::string> reached;
  std::vector<std::pair<std::string, bool>> standings;
  std::vector<std::string> egress;
  std::vector<audit_event> audited;
  std::vector<std::string> called; ///< How calls to the application ended.
  int logged = 0;
  std::map<std::string, std::uint64_t> mail;
  std::vector<std::string> capabilities; ///< Calls to them: method and outcome.
  std::vector<std::string> detached;
  std::vector<std::pair<trace_place, std::string>> spans;
  std::vector<std::string> pooled;
  std::int64_t pool_ready = 0;
  std::int64_t pool_busy = 0;
  std::int64_t pool_waiting = 0;
  int replaced = 0;
  int restarted = 0;
};

} // namespace vivarium::test
