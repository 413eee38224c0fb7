// SPDX-License-Identifier: Apache-2.0

// The part of a session that watches the clock: deadlines, budgets, patience, idleness.

#include "actors/session_core.hpp"

#include <algorithm>
#include <utility>

namespace vivarium {

using namespace std::chrono_literals;
using std::chrono::duration_cast;
using std::chrono::microseconds;

namespace {

// No CPU budget is looked at more often.
constexpr auto cpu_check_floor = 1ms;

} // namespace

void session_core::on_tick(clock_type::time_point now) {
  wake_armed_ = clock_type::time_point::max();
  if (info_.state == session_state::dead)
    return;
  if (channel_closed_ && now >= reap_by_)
    return lose(cause{.what = "exited", .limit = {}, .enforced_by = enforcer::kernel});
  if (info_.state == session_state::starting && (!worker_ || specialising_ > 0)
      && now >= asked_for_worker_ + config_.start_timeout)
    return on_late_start();

  while (!waiting_.empty()
         && now >= waiting_.front()->submitted() + waiting_.front()->request().timeout)
    dispatch_expired();
  for (std::size_t i = 0; i < sent_.size() && info_.state != session_state::dead; ++i)
    check_time(sent_[i], i == 0, now);
  for (auto it = parked_.begin(); it != parked_.end() && info_.state != session_state::dead;)
    check_time((it++)->second, false, now);
  if (info_.state == session_state::dead)
    return;
  if (info_.state == session_state::ready && waiting_.empty() && now >= idle_since_ + idle_timeout_)
    return close(reply<done>{}, "idle");
  check_calls(now);
  update_wake();
}

void session_core::check_time(in_flight& flight, bool front, clock_type::time_point now) {
  const auto& request = flight.what->request();
  bool has_worker = front || sent_.empty();
  if (flight.stop != stop_reason::none) {
    if (now >= flight.force_at && (has_worker || !flight.settled))
      give_up_on(flight, has_worker);
  } else if (now >= flight.deadline) {
    interrupt(flight, stop_reason::deadline);
  } else if (!flight.rounds.empty() && (front || flight.asynchronous)
             && now >= flight.round_since + request.idle_timeout) {
    interrupt(flight, stop_reason::idle);
  } else if (front && request.cpu_budget > 0ms) {
    auto used = cpu_used();
    if (used && *used - flight.cpu_before + flight.cpu_used >= request.cpu_budget)
      interrupt(flight, stop_reason::cpu);
  } else if (flight.asynchronous && request.cpu_budget > 0ms) {
    if (flight.cpu_used + loop_cpu_of(flight) >= request.cpu_budget)
      interrupt(flight, stop_reason::cpu);
  }
}

void session_core::dispatch_expired() {
  auto what = std::move(waiting_.front());
  waiting_.pop_front();
  verdict how;
  in_flight never{.what = what, .deadline = {}, .stop = stop_reason::deadline};
  stopped_verdict(how, never, false);
  complete_queued(what, std::move(how));
  maybe_stop();
}

void session_core::consider(clock_type::time_point& next, const in_flight& flight,
                            bool front) const {
  const auto& request = flight.what->request();
  if (flight.stop != stop_reason::none) {
    if (front || sent_.empty() || !flight.settled)
      next = std::min(next, flight.force_at);
    return;
  }
  next = std::min(next, flight.deadline);
  if (!flight.rounds.empty() && (front || flight.asynchronous))
    next = std::min(next, flight.round_since + request.idle_timeout);
  if (front && request.cpu_budget > 0ms) {
    auto used = cpu_used().value_or(flight.cpu_before);
    // With several threads CPU time passes faster than wall time: look again half way.
    auto left = duration_cast<microseconds>(request.cpu_budget) - flight.cpu_used
                - (used - flight.cpu_before);
    next = std::min(next, clock_type::now() + std::max<microseconds>(left / 2, cpu_check_floor));
  } else if (flight.asynchronous && request.cpu_budget > 0ms && sent_.empty()) {
    // What waits uses little: looked at no more often than a tenth of the budget.
    auto share = duration_cast<microseconds>(loop_share_ - flight.loop_before);
    auto left = duration_cast<microseconds>(request.cpu_budget) - flight.cpu_used - share;
    auto pause = std::max({left / 2, duration_cast<microseconds>(request.cpu_budget) / 10,
                           duration_cast<microseconds>(cpu_check_floor)});
    next = std::min(next, clock_type::now() + pause);
  }
}

void session_core::update_wake() {
  if (info_.state == session_state::dead)
    return;
  auto next = clock_type::time_point::max();
  if (info_.state == session_state::starting && (!worker_ || specialising_ > 0))
    next = asked_for_worker_ + config_.start_timeout;
  if (channel_closed_)
    next = std::min(next, reap_by_);
  next = std::min(next, next_call_deadline_);
  if (!waiting_.empty())
    next = std::min(next, waiting_.front()->submitted() + waiting_.front()->request().timeout);
  for (std::size_t i = 0; i < sent_.size(); ++i)
    consider(next, sent_[i], i == 0);
  for (const auto& [number, flight] : parked_)
    consider(next, flight, false);
  if (info_.state == session_state::ready)
    next = std::min(next, idle_since_ + idle_timeout_);
  wake_by(next);
}

void session_core::wake_by(clock_type::time_point when) {
  if (when >= wake_armed_)
    return;
  wake_armed_ = when;
  ports_.wake_at(when);
}

} // namespace vivarium
