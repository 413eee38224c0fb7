// SPDX-License-Identifier: Apache-2.0

// Sessions of a session pool that are replaced because of their age or their work: another one is
// made while they go on, and they end when it is there and they are free.

#include "actors/session_pool.hpp"

#include <algorithm>

namespace vivarium {

bool session_pool_core::is_due(const members::value_type& each, clock_type::time_point now) const {
  const auto& [number, one] = each;
  // Strict keys that stand for it: it holds somebody's state.
  if (!one.ready || !one.waiting.empty() || keys_.holds_state(number))
    return false;
  return (plan_.max_executions > 0 && one.done >= plan_.max_executions)
         || (plan_.max_age.count() > 0 && now - one.since >= plan_.max_age);
}

// False: it is still needed.
bool session_pool_core::give_up(members::iterator one, clock_type::time_point now) {
  if (draining_ || closed_ || !is_due(*one, now))
    return false;
  auto ready = std::count_if(members_.begin(), members_.end(),
                             [](const auto& each) { return each.second.ready; });
  if (static_cast<std::size_t>(ready) <= plan_.sessions)
    return false;
  bool counted = plan_.max_executions > 0 && one->second.done >= plan_.max_executions;
  watch_.recycled(plan_.shared() ? plan_.trust_group : plan_.host, plan_.wish.environment,
                  "session_pool", counted ? "count" : "age");
  forget(one, true);
  return true;
}

void session_pool_core::recycle(clock_type::time_point now) {
  if (draining_ || closed_ || (plan_.max_executions == 0 && plan_.max_age.count() == 0))
    return;
  bool due = false;
  for (auto it = members_.begin(); it != members_.end();) {
    auto one = it++;
    due = (is_due(*one, now) && (one->second.running || !give_up(one, now))) || due;
  }
  // One at a time: all that were made together are due together.
  if (!due || members_.size() > plan_.sessions || now < start_at_) {
    if (auto next = next_due(now); next < wake_armed_)
      ports_.wake_at(wake_armed_ = next);
    return;
  }
  auto number = ++last_number_;
  members_[number].ordered = now;
  ports_.start(number);
}

// When somebody becomes due by age, or an attempt to replace one may be made again.
clock_type::time_point session_pool_core::next_due(clock_type::time_point now) const {
  auto next = clock_type::time_point::max();
  if (draining_ || closed_)
    return next;
  if (plan_.max_age.count() > 0)
    for (const auto& [number, one] : members_)
      if (auto due = one.since + plan_.max_age;
          one.ready && !keys_.holds_state(number) && due > now)
        next = std::min(next, due);
  if (now < start_at_)
    next = std::min(next, start_at_);
  return next;
}

} // namespace vivarium
