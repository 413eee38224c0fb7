// SPDX-License-Identifier: Apache-2.0

// The sessions of a session pool: made, given back, replaced, ended.

#include "actors/session_pool.hpp"

#include <algorithm>
#include <utility>

namespace vivarium {

using namespace std::chrono_literals;
using std::chrono::duration_cast;
using std::chrono::microseconds;

namespace {

// A session that cannot be made, or ends as soon as it is there, is not made again at once.
constexpr auto first_pause = 100ms;
constexpr auto longest_pause = 30'000ms;
// One that lives so long has not failed at its start.
constexpr auto lived = 5s;
// How much a new execution counts in what one usually takes.
constexpr int smoothing = 8;

} // namespace

void session_pool_core::fill(clock_type::time_point now) {
  if (draining_ || closed_)
    return;
  if (now < start_at_) {
    if (start_at_ < wake_armed_)
      ports_.wake_at(wake_armed_ = start_at_);
    return;
  }
  while (members_.size() < plan_.sessions) {
    auto number = ++last_number_;
    members_[number].ordered = now;
    ports_.start(number);
  }
}

void session_pool_core::hold_off(clock_type::time_point now, std::string why) {
  trouble_ = std::move(why);
  failed_at_ = now;
  pause_ = pause_.count() == 0 ? std::chrono::milliseconds{first_pause}
                               : std::min<std::chrono::milliseconds>(pause_ * 2, longest_pause);
  start_at_ = now + pause_;
}

void session_pool_core::on_ready(std::uint64_t number) {
  auto at = members_.find(number);
  if (at == members_.end() || at->second.ready)
    return;
  auto now = clock_type::now();
  at->second.ready = true;
  at->second.since = now;
  trouble_.clear();
  next_for(at);
  recycle(now);
  settle();
}

void session_pool_core::on_failed(std::uint64_t number, const error& why) {
  auto at = members_.find(number);
  if (at == members_.end())
    return;
  auto now = clock_type::now();
  if (why.code == errc::circuit_open) {
    // Nothing has been tried. Whoever refused knows when that is worth it; were each refusal to
    // double the pause, it would go on for long after all is well.
    trouble_ = why.detail;
    start_at_ = now + std::max<std::chrono::milliseconds>(why.quota.retry_after, first_pause);
  } else {
    hold_off(now, why.detail);
  }
  forget(at, true);
  fill(now);
  recycle(now);
  if (members_.empty() && !lines_.empty())
    fail_all_waiting(errc::unavailable, error_kind::internal,
                     "session pool '" + plan_.name + "' has no sessions: " + trouble_);
  settle();
}

void session_pool_core::on_done(std::uint64_t number, const execution_ptr& what) {
  auto at = members_.find(number);
  if (at == members_.end() || at->second.running != what)
    return;
  auto now = clock_type::now();
  auto took = duration_cast<microseconds>(now - at->second.begun);
  usual_ += (took - usual_) / smoothing;
  if (what->end() && what->end()->session == session_outcome::lost)
    return on_lost(number);
  // That older ones answer says nothing of those that are made now.
  if (at->second.ordered >= failed_at_) {
    pause_ = 0ms;
    early_ends_ = 0;
  }
  ++at->second.done;
  if (!give_up(at, now))
    next_for(at);
  recycle(now);
  settle();
}

void session_pool_core::on_turned_away(std::uint64_t number, const execution_ptr& what) {
  auto at = members_.find(number);
  if (at != members_.end() && at->second.running == what)
    on_lost(number);
  // Nothing of it has run: another session takes it, as if it came now.
  if (!what->end())
    place(what, reply<execution_ptr>{});
  settle();
}

void session_pool_core::on_lost(std::uint64_t number) {
  auto at = members_.find(number);
  if (at == members_.end())
    return settle();
  auto now = clock_type::now();
  const auto& one = at->second;
  // What a call does to its session is no reason to let the next one wait.
  bool early = !one.ready || (!one.running && now - one.ordered < lived);
  if (early)
    failed_at_ = now;
  if (early && ++early_ends_ > 1)
    hold_off(now, "its latest session ended as soon as it was there");
  forget(at, false);
  fill(now);
  recycle(now);
  settle();
}

void session_pool_core::forget(members::iterator gone, bool expected) {
  auto number = gone->first;
  auto strict = std::move(gone->second.waiting);
  bool was_ready = gone->second.ready;
  members_.erase(gone);
  std::erase(free_, number);
  keys_.lose(number);
  ports_.close(number);
  if (was_ready && !expected && !draining_ && !closed_) {
    ++replaced_;
    watch_.session_pool_replaced(label_);
  }
  for (const auto& what : strict) {
    count("lost");
    fail(what, errc::session_worker_unavailable, error_kind::session_lost,
         "the session of pool '" + plan_.name + "' that had the key '"
             + what->request().affinity_key + "' has ended, and its state with it");
  }
}

void session_pool_core::close() {
  if (std::exchange(closed_, true))
    return;
  fail_all_waiting(errc::unavailable, error_kind::internal,
                   "session pool '" + plan_.name + "' was closed");
  auto all = members_;
  for (auto& [number, one] : all)
    ports_.close(number);
  settle();
}

void session_pool_core::drain() {
  draining_ = true;
  settle();
}

void session_pool_core::settle() {
  if (draining_ && !closed_ && lines_.empty()
      && std::none_of(members_.begin(), members_.end(),
                      [](const auto& one) { return one.second.running != nullptr; }))
    return close();
  if (draining_ && members_.empty() && !lines_.empty())
    fail_all_waiting(errc::unavailable, error_kind::internal, "the daemon is stopping");
  tell_level();
  if (closed_ && members_.empty())
    ports_.stop();
}

session_pool_info session_pool_core::describe() const {
  session_pool_info out;
  out.name = plan_.name;
  out.environment = plan_.wish.environment.empty() ? "default" : plan_.wish.environment;
  out.sessions = plan_.sessions;
  out.queue = plan_.queue;
  out.waiting = lines_.size();
  out.calls = calls_;
  out.replaced = replaced_;
  out.trouble = trouble_;
  out.configured = plan_.configured;
  out.shared = plan_.shared();
  for (const auto& [number, one] : members_) {
    out.ready += one.ready ? 1 : 0;
    out.busy += one.running ? 1 : 0;
  }
  return out;
}

void session_pool_core::tell_level() {
  std::int64_t ready = 0;
  std::int64_t busy = 0;
  for (const auto& [number, one] : members_) {
    ready += one.ready ? 1 : 0;
    busy += one.running ? 1 : 0;
  }
  auto waiting = static_cast<std::int64_t>(lines_.size());
  if (ready == told_.ready && busy == told_.busy && waiting == told_.waiting)
    return;
  watch_.session_pool_level(label_, ready - told_.ready, busy - told_.busy,
                            waiting - told_.waiting);
  told_ = {ready, busy, waiting};
}

} // namespace vivarium
