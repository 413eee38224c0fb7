// SPDX-License-Identifier: Apache-2.0

// The calls of a session pool: where they go, where they wait, what they are refused for.

#include "actors/session_pool.hpp"

#include <algorithm>
#include <array>
#include <unordered_set>
#include <utility>

namespace vivarium {

using namespace std::chrono_literals;
using std::chrono::duration_cast;
using std::chrono::microseconds;

namespace {

// A client chooses its keys.
constexpr std::size_t most_keys = 10'000;
// "Try again" for those who were refused.
constexpr auto soonest_retry = 50ms;
constexpr auto latest_retry = 60'000ms;

bool is_strict(const submission& what) noexcept {
  return what.affinity != affinity::hint && !what.affinity_key.empty();
}

bool will_wait(const submission& what) noexcept {
  return what.affinity != affinity::strict_fail_fast && !what.fail_if_busy;
}

// Keys of tenants that share a pool have nothing to do with each other.
std::string key_of(const submission& what) {
  return what.affinity_key.empty() ? std::string{} : what.charged_to + '\0' + what.affinity_key;
}

} // namespace

session_pool_core::session_pool_core(session_pool_plan plan, observer& watch,
                                     session_pool_ports ports)
    : plan_{std::move(plan)}, watch_{watch}, ports_{std::move(ports)},
      label_{plan_.shared() ? plan_.trust_group : plan_.host,
             plan_.configured ? plan_.name : std::string{}},
      keys_{most_keys} {
  fill(clock_type::now());
}

session_pool_core::~session_pool_core() {
  fail_all_waiting(errc::internal, error_kind::internal, "the session pool has failed");
  for (auto& [number, one] : std::exchange(members_, {}))
    ports_.close(number);
  tell_level();
}

// -- calls

void session_pool_core::run(const execution_ptr& what, const reply<execution_ptr>& to) {
  ++calls_;
  if (draining_ || closed_) {
    count("unavailable");
    return refuse(what, to,
                  error{errc::unavailable, "session pool '" + plan_.name + "' is being closed"},
                  error_kind::internal);
  }
  place(what, to);
  settle();
}

void session_pool_core::place(const execution_ptr& what, const reply<execution_ptr>& to) {
  const auto& wish = what->request();
  auto key = key_of(wish);
  auto home = key.empty() ? std::nullopt : keys_.find(key);
  if (home && home->lost && is_strict(wish)) {
    // Told once; what the client does next begins afresh.
    keys_.forget(key);
    count("lost");
    return refuse(what, to,
                  error{errc::session_worker_unavailable,
                        "the session of pool '" + plan_.name + "' that had the key '"
                            + wish.affinity_key + "' has ended, and its state with it"},
                  error_kind::session_lost);
  }
  auto at = home && !home->lost ? members_.find(home->member) : members_.end();
  if (at != members_.end() && at->second.ready && !at->second.running) {
    std::erase(free_, at->first);
    to.give(what);
    return assign(at, what);
  }
  bool bound = at != members_.end() && is_strict(wish);
  if (!bound && !free_.empty()) {
    auto number = free_.front();
    free_.pop_front();
    to.give(what);
    return assign(members_.find(number), what);
  }
  if (!will_wait(wish)) {
    count("busy");
    return refuse(what, to,
                  error{errc::worker_busy,
                        bound
                            ? "the session of pool '" + plan_.name + "' that has the key '"
                                  + wish.affinity_key + "' is busy; STRICT_QUEUE would wait for it"
                            : "no session of pool '" + plan_.name
                                  + "' is free; HINT and STRICT_QUEUE would wait for one",
                        {},
                        {"session_pool", members_.size(), plan_.sessions, retry_after()}},
                  error_kind::busy);
  }
  wait(bound ? &at->second.waiting : nullptr, what, to);
}

void session_pool_core::wait(std::deque<execution_ptr>* own, const execution_ptr& what,
                             const reply<execution_ptr>& to) {
  if (!trouble_.empty() && members_.empty()) {
    count("unavailable");
    return refuse(
        what, to,
        error{errc::unavailable, "session pool '" + plan_.name + "' has no sessions: " + trouble_},
        error_kind::internal);
  }
  auto& waiting = parties_[party_of(*what)];
  if (waiting >= plan_.queue) {
    count("full");
    return refuse(what, to,
                  error{errc::limit_exceeded,
                        "the queue of session pool '" + plan_.name + "' is full: "
                            + std::to_string(waiting) + " calls wait, the maximum is "
                            + std::to_string(plan_.queue) + " (pools.NAME.queue)",
                        {},
                        {"session_pool_queue", waiting, plan_.queue, retry_after()}},
                  error_kind::busy);
  }
  ++waiting;
  auto until = what->submitted() + what->request().timeout;
  lines_[what] = until;
  if (own != nullptr)
    own->push_back(what);
  else
    anybody_.push(party_of(*what), what);
  if (until < wake_armed_)
    ports_.wake_at(wake_armed_ = until);
  to.give(what);
}

void session_pool_core::assign(members::iterator to, const execution_ptr& what) {
  auto& [number, one] = *to;
  using binding = affinity_table::binding;
  if (auto key = key_of(what->request()); !key.empty())
    keys_.bind(key, number, is_strict(what->request()) ? binding::strict : binding::hint);
  auto now = clock_type::now();
  one.running = what;
  one.begun = now;
  count("run");
  watch_.session_pool_waited(label_, duration_cast<microseconds>(now - what->submitted()));
  ports_.run(number, what);
}

execution_ptr session_pool_core::pop_for(members::iterator free) {
  auto& one = free->second;
  // Neither its own line nor that of all starves the other.
  bool own = !one.waiting.empty() && (one.own_turn || anybody_.empty());
  one.own_turn = !own;
  if (own) {
    auto what = std::move(one.waiting.front());
    one.waiting.pop_front();
    return what;
  }
  while (!anybody_.empty()) {
    auto what = anybody_.pop();
    auto key = key_of(what->request());
    auto home = key.empty() ? std::nullopt : keys_.find(key);
    auto at = home && !home->lost ? members_.find(home->member) : members_.end();
    if (!is_strict(what->request()) || at == members_.end() || at == free)
      return what;
    at->second.waiting.push_back(std::move(what)); // Its key has got a home meanwhile.
  }
  return nullptr;
}

void session_pool_core::next_for(members::iterator free) {
  free->second.running.reset();
  auto what = pop_for(free);
  if (!what)
    return free_.push_back(free->first);
  leave_line(what);
  assign(free, what);
}

void session_pool_core::leave_line(const execution_ptr& what) {
  lines_.erase(what);
  auto party = parties_.find(party_of(*what));
  if (party != parties_.end() && --party->second == 0)
    parties_.erase(party);
}

void session_pool_core::cancel(const execution_ptr& what, stop_mode mode, const reply<bool>& to) {
  if (lines_.contains(what)) {
    anybody_.erase(what);
    for (auto& [number, one] : members_)
      std::erase(one.waiting, what);
    fail(what, errc::cancelled, error_kind::cancelled,
         "the execution was cancelled before it began",
         cause{.what = "cancelled", .limit = {}, .enforced_by = enforcer::daemon});
    count("cancelled");
    to.give(true);
    return settle();
  }
  for (auto& [number, one] : members_)
    if (one.running == what)
      return ports_.cancel(number, what, mode, to);
  to.give(false);
}

void session_pool_core::pull(const execution_ptr& what, std::uint64_t credit) {
  if (lines_.contains(what)) {
    if (credit == 0)
      return cancel(what, stop_mode::interrupt, reply<bool>{});
    return what->early_rounds.push_back(credit);
  }
  for (auto& [number, one] : members_)
    if (one.running == what)
      return ports_.pull(number, what, credit);
}

// -- what cannot be run

void session_pool_core::fail(const execution_ptr& what, errc code, error_kind kind,
                             const std::string& text, std::optional<cause> why) {
  leave_line(what);
  verdict how;
  how.outcome = verdict::kind::error;
  how.error_kind = static_cast<std::uint32_t>(kind);
  how.content = make_error(kind, text, name_of(code));
  how.cause = std::move(why);
  how.usage.wall = how.usage.queued =
      duration_cast<microseconds>(clock_type::now() - what->submitted());
  watch_.execution_ended(party_of(*what), plan_.wish.environment, std::string{name_of(kind)},
                         how.cause ? how.cause->what : "", how.usage);
  if (what->request().detached)
    watch_.detached_failed(party_of(*what), plan_.wish.environment, std::string{name_of(kind)});
  trace_execution(watch_, party_of(*what), plan_.wish.environment, *what, how);
  what->finish(std::move(how));
}

void session_pool_core::refuse(const execution_ptr& what, const reply<execution_ptr>& to, error why,
                               error_kind kind) {
  // It has an id already: whoever lists executions must see that it is over.
  verdict how;
  how.outcome = verdict::kind::error;
  how.error_kind = static_cast<std::uint32_t>(kind);
  how.content = make_error(kind, why.detail, name_of(why.code));
  what->finish(std::move(how));
  to.refuse(std::move(why));
}

void session_pool_core::fail_all_waiting(errc code, error_kind kind, const std::string& text) {
  for (auto& [number, one] : members_)
    one.waiting.clear();
  while (!anybody_.empty())
    anybody_.pop();
  auto all = lines_; // Ending one takes it off.
  for (const auto& [what, until] : all) {
    count("unavailable");
    fail(what, code, kind, text);
  }
}

void session_pool_core::on_tick(clock_type::time_point now) {
  wake_armed_ = clock_type::time_point::max();
  std::unordered_set<execution_ptr> late; // Thousands may be at once.
  auto next = clock_type::time_point::max();
  for (const auto& [what, until] : lines_) {
    if (until <= now)
      late.insert(what);
    else
      next = std::min(next, until);
  }
  auto is_late = [&late](const execution_ptr& one) { return late.contains(one); };
  if (!late.empty()) {
    anybody_.erase_if(is_late);
    for (auto& [number, one] : members_)
      std::erase_if(one.waiting, is_late);
  }
  for (const auto& what : late) {
    const auto& limit = what->request().timeout;
    auto waited = duration_cast<std::chrono::milliseconds>(now - what->submitted());
    fail(what, errc::deadline_exceeded, error_kind::timeout,
         "the deadline of " + std::to_string(limit.count())
             + " ms passed while it waited for a session of pool '" + plan_.name + "'",
         cause{"deadline", "timeout_ms", static_cast<std::uint64_t>(limit.count()),
               static_cast<std::uint64_t>(waited.count()), enforcer::daemon});
    count("expired");
  }
  fill(now);
  recycle(now);
  next = std::min(next, next_due(now));
  if (members_.size() < plan_.sessions && !draining_ && !closed_)
    next = std::min(next, std::max(start_at_, now));
  if (next < wake_armed_)
    ports_.wake_at(wake_armed_ = next);
  settle();
}

std::chrono::milliseconds session_pool_core::retry_after() const {
  auto rounds = lines_.size() / std::max<std::size_t>(members_.size(), 1) + 1;
  return std::clamp(duration_cast<std::chrono::milliseconds>(usual_ * rounds),
                    std::chrono::milliseconds{soonest_retry},
                    std::chrono::milliseconds{latest_retry});
}

} // namespace vivarium
