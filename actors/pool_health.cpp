// SPDX-License-Identifier: Apache-2.0

// The part of a pool that counts attempts which fail, and replaces workers that have stood ready
// for too long.

#include "actors/pool.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace vivarium {

// -- the circuit breaker of its attempts

bool pool_core::is_open() const {
  return plan_.board->breaker.state(clock_type::now()) == circuit_state::open;
}

// Returns when the next attempt is: `again`, unless this failure was one too many.
clock_type::time_point pool_core::count_failure(clock_type::time_point again,
                                                const std::string& why) {
  auto& breaker = plan_.board->breaker;
  auto opened = breaker.failed(clock_type::now(), why);
  if (opened) {
    spdlog::error("environment '{}' of '{}' has failed to start {} times in a row: it is left "
                  "alone, and sessions of it are refused, for {} ms",
                  plan_.environment, plan_.group, breaker.failures(),
                  plan_.config.breaker.open.count());
    plan_.watch.circuit_is(plan_.group, plan_.environment, "pool", circuit_state::open);
    plan_.watch.audit(audit_event::circuit_opened, {plan_.group},
                      {{"environment", plan_.environment},
                       {"layer", "pool"},
                       {"failures", static_cast<std::int64_t>(breaker.failures())}});
  }
  return is_open() ? breaker.open_until() : again;
}

void pool_core::count_success() {
  if (!plan_.board->breaker.proven())
    return;
  spdlog::info("environment '{}' of '{}': its circuit is closed", plan_.environment, plan_.group);
  plan_.watch.circuit_is(plan_.group, plan_.environment, "pool", circuit_state::closed);
  plan_.watch.audit(audit_event::circuit_closed, {plan_.group},
                    {{"environment", plan_.environment}, {"layer", "pool"}});
}

void pool_core::note_attempt() {
  if (plan_.board->breaker.state(clock_type::now()) == circuit_state::half_open)
    plan_.watch.circuit_is(plan_.group, plan_.environment, "pool", circuit_state::half_open);
}

// -- age

// Those that stand ready do so in the order in which they were made, nearly.
clock_type::time_point pool_core::oldest_until() const {
  if (idle_.empty() || plan_.config.worker_max_age.count() == 0)
    return clock_type::time_point::max();
  return workers_.at(idle_.front()).ordered + plan_.config.worker_max_age;
}

void pool_core::retire_oldest() {
  if (idle_.size() <= ready_wanted() || oldest_until() > clock_type::now())
    return;
  auto oldest = idle_.front();
  plan_.watch.recycled(plan_.group, plan_.environment, "pool", "age");
  kill(oldest, workers_.at(oldest));
  publish_level();
}

} // namespace vivarium
