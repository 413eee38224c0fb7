// SPDX-License-Identifier: Apache-2.0
#include "daemon/metrics_resilience.hpp"

#include "daemon/metrics.hpp"

namespace vivarium {

namespace {

prometheus::Family<prometheus::Counter>& counter(prometheus::Registry& registry, const char* name,
                                                 const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

prometheus::Labels labels_of(const std::string& tenant, const std::string& environment,
                             std::string_view layer) {
  return {{"tenant", tenant}, {"environment", environment}, {"layer", std::string{layer}}};
}

} // namespace

resilience_meters::resilience_meters(prometheus::Registry& registry)
    : states_{prometheus::BuildGauge()
                  .Name("vivarium_circuit_state")
                  .Help("Circuit breakers that have opened once. 0: closed; 1: it is tried again; "
                        "2: open, and sessions are refused. layer session: what begins in a worker "
                        "fails; pool: no worker can be made.")
                  .Register(registry)},
      opened_{counter(registry, "vivarium_circuits_opened_total",
                      "How often a circuit breaker has opened.")},
      refused_{counter(registry, "vivarium_circuit_refusals_total",
                       "Sessions refused because a circuit breaker was open.")},
      recycled_{counter(registry, "vivarium_recycled_total",
                        "Workers (layer pool), sessions of pools and sessions of applications that "
                        "were replaced. cause age: too old; count: it had run enough.")},
      heartbeats_{counter(registry, "vivarium_heartbeats_total",
                          "Workers asked whether they live, by outcome; ended: for want of "
                          "answers.")} {
  for (const auto* outcome : {"asked", "answered", "missed", "ended"})
    heartbeats_.Add({{"outcome", outcome}});
}

void resilience_meters::circuit_is(const std::string& tenant, const std::string& environment,
                                   std::string_view layer, circuit_state now) {
  auto labels = labels_of(tenant, environment, layer);
  states_.Add(labels).Set(static_cast<double>(now));
  auto& opened = opened_.Add(labels);
  if (now == circuit_state::open)
    opened.Increment();
}

void resilience_meters::circuit_refused(const std::string& tenant, const std::string& environment,
                                        std::string_view layer) {
  refused_.Add(labels_of(tenant, environment, layer)).Increment();
}

void resilience_meters::recycled(const std::string& tenant, const std::string& environment,
                                 std::string_view layer, std::string_view cause) {
  auto labels = labels_of(tenant, environment, layer);
  labels["cause"] = cause;
  recycled_.Add(labels).Increment();
}

void resilience_meters::heartbeat(std::string_view outcome) {
  heartbeats_.Add({{"outcome", std::string{outcome}}}).Increment();
}

// -- as the actors tell it

void metrics::circuit_is(const std::string& tenant, const std::string& environment,
                         std::string_view layer, circuit_state now) {
  resilience_->circuit_is(tenant, environment, layer, now);
}

void metrics::circuit_refused(const std::string& tenant, const std::string& environment,
                              std::string_view layer) {
  resilience_->circuit_refused(tenant, environment, layer);
}

void metrics::recycled(const std::string& tenant, const std::string& environment,
                       std::string_view layer, std::string_view cause) {
  resilience_->recycled(tenant, environment, layer, cause);
}

void metrics::heartbeat(std::string_view outcome) {
  resilience_->heartbeat(outcome);
}

} // namespace vivarium
