// SPDX-License-Identifier: Apache-2.0

// The part of a session that ends executions: what the worker says of them, completed and where
// need be overruled by what the daemon and the kernel know.

#include "actors/session_core.hpp"
#include "bridge/validate.hpp"

#include <algorithm>
#include <utility>

namespace vivarium {

using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::milliseconds;

namespace {

// An ended execution that holds more than this is accounted for by its tenant.
constexpr std::size_t large_execution = 64u << 10;
// Executions shorter than this are charged no CPU time.
constexpr auto worth_a_clock = milliseconds{1};
// Executions shorter than this are not worth reading /proc for.
constexpr auto worth_a_peak = milliseconds{20};

// Libraries make errors of their own of a refused connection; any other call that was refused says
// nothing of an error that is no PermissionError.
bool is_refusal(error_kind kind, const cause& denied) {
  return kind == error_kind::permission
         || (kind == error_kind::io && (denied.what == "egress" || denied.limit == "connect"));
}

// A session that is lost takes its files along.
std::shared_ptr<const file_report> lost_files(const execution& what) {
  const auto& request = what.request();
  if (!request.track_files && !request.transaction)
    return nullptr;
  file_report out;
  out.outcome = files_outcome::lost;
  return std::make_shared<file_report>(std::move(out));
}

std::uint64_t count_of(milliseconds time) noexcept {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(time.count(), 0));
}

} // namespace

void session_core::stopped_verdict(verdict& out, const in_flight& flight, bool lost) const {
  const auto& request = flight.what->request();
  std::string text;
  auto kind = error_kind::timeout;
  cause why;
  why.enforced_by = enforcer::daemon;
  why.observed =
      count_of(duration_cast<milliseconds>(clock_type::now() - flight.what->submitted()));
  if (flight.stop == stop_reason::cancelled) {
    kind = error_kind::cancelled;
    text = "the execution was cancelled";
    why.what = "cancelled";
    why.observed = 0;
  } else if (flight.stop == stop_reason::cpu) {
    why.what = "cpu";
    why.limit = "cpu_ms";
    why.configured = count_of(request.cpu_budget);
    auto used = cpu_used().value_or(last_cpu_);
    auto since = flight.asynchronous ? duration_cast<microseconds>(loop_share_ - flight.loop_before)
                                     : used - flight.cpu_before;
    why.observed = count_of(duration_cast<milliseconds>(since + flight.cpu_used));
    text = "the execution used up its CPU budget of " + std::to_string(why.configured) + " ms";
  } else if (flight.stop == stop_reason::idle) {
    why.what = "deadline";
    why.limit = "idle_timeout_ms";
    why.configured = count_of(request.idle_timeout);
    why.observed = count_of(duration_cast<milliseconds>(clock_type::now() - flight.round_since));
    text = "the stream brought no item for " + std::to_string(why.configured) + " ms";
  } else {
    why.what = "deadline";
    why.limit = "timeout_ms";
    why.configured = count_of(request.timeout);
    text = "the execution exceeded its deadline of " + std::to_string(why.configured) + " ms";
    if (flight.what->now() == execution::state::queued)
      text += " before it began";
  }
  if (lost)
    text += " and did not stop within the grace period of " + std::to_string(config_.grace.count())
            + " ms; its worker was killed and the session's state is lost";
  if (out.outcome != verdict::kind::error)
    out.content.clear();
  out.outcome = verdict::kind::error;
  out.error_kind = static_cast<std::uint32_t>(kind);
  override_error(out.content, kind, text);
  out.cause = std::move(why);
  if (lost)
    out.session = session_outcome::lost;
}

std::chrono::microseconds session_core::cpu_of(const in_flight& flight,
                                               clock_type::time_point now) {
  // The clock costs more than a small execution's share of it: those are charged nothing, and what
  // they took at most is not charged to the next one either.
  auto ran = duration_cast<microseconds>(now - flight.running_since);
  if (ran < worth_a_clock && flight.what->request().cpu_budget.count() == 0) {
    cpu_unread_ += ran;
    return microseconds{0};
  }
  auto used = cpu_used();
  if (!used)
    return microseconds{0};
  last_cpu_ = *used;
  cpu_unread_ = microseconds{0};
  return std::max(*used - flight.cpu_before, microseconds{0});
}

// What it computed while it was said to wait.
std::chrono::microseconds session_core::loop_cpu_of(const in_flight& flight) {
  charge_loop();
  return duration_cast<microseconds>(loop_share_ - flight.loop_before);
}

void session_core::complete(in_flight& flight, verdict how) {
  // One look at the clock for all of it: many executions end in one turn.
  auto now = clock_type::now();
  load_.ends(now);
  bool was_front = is_front(flight);
  auto what = flight.what;
  if (!flight.settled) {
    if (what->now() == execution::state::queued) // It overtook one that still awaits something.
      what->mark_started(now);
    how.usage.cpu = flight.cpu_used;
    if (was_front)
      how.usage.cpu += cpu_of(flight, now);
    else if (flight.asynchronous)
      how.usage.cpu += loop_cpu_of(flight);
    if (flight.denied && !how.cause
        && is_refusal(static_cast<error_kind>(how.error_kind), *flight.denied))
      how.cause = flight.denied;
    if (now - what->started() > worth_a_peak)
      how.usage.peak_memory_bytes = peak_memory();
    if (how.outcome == verdict::kind::error && !how.cause)
      explain(how, flight);
    if (how.output_truncated)
      watch_.limit_reached(tenant_, label_, "output_bytes");
    if (how.displays_dropped > 0)
      watch_.limit_reached(tenant_, label_, "displays");
  }
  auto ended = take(flight);
  stopping_ -= ended.stop != stop_reason::none ? 1 : 0;
  if (!ended.settled) {
    how.usage.wall = duration_cast<microseconds>(now - what->submitted());
    how.usage.queued = duration_cast<microseconds>(what->started() - what->submitted());
    observe_end(*what, how);
  }
  update_state(now);
  if (was_front || sent_.empty())
    start_front(now);
  // Whoever is told, and when, its worker has done something.
  if (!what->request().internal)
    prove_start();
  if (!ends_tracked(what, how, ended.settled) && !ended.settled) {
    bool large =
        !what->request().internal && what->log_bytes() + how.content.size() > large_execution;
    what->finish(std::move(how), now);
    if (large)
      ports_.report_large(what);
  }
  // A stream may have sent a last item, with refs, after those of its connection were released.
  auto owner = what->request().owner;
  if (gone_.contains(owner) && info_.state != session_state::dead && closing_.empty()) {
    if (!works_for(owner))
      gone_.erase(owner);
    order_release(owner);
  }
}

void session_core::complete_queued(const execution_ptr& what, verdict how) {
  how.usage.wall = how.usage.queued =
      duration_cast<microseconds>(clock_type::now() - what->submitted());
  observe_end(*what, how);
  what->finish(std::move(how));
}

void session_core::observe_end(const execution& what, const verdict& how) {
  if (what.request().internal)
    return;
  ++info_.executions;
  info_.used.wall += how.usage.wall - std::min(how.usage.queued, how.usage.wall);
  info_.used.cpu += how.usage.cpu;
  info_.used.queued += how.usage.queued;
  info_.used.output_bytes += how.usage.output_bytes;
  info_.used.peak_memory_bytes =
      std::max(info_.used.peak_memory_bytes, how.usage.peak_memory_bytes);
  auto outcome = how.outcome == verdict::kind::error
                     ? std::string{name_of(static_cast<error_kind>(how.error_kind))}
                     : std::string{"ok"};
  const auto& other = what.request().charged_to; // A session of a shared pool serves many.
  const auto& tenant = other.empty() ? tenant_ : other;
  watch_.execution_ended(tenant, label_, outcome, how.cause ? how.cause->what : "", how.usage);
  if (what.request().detached && how.outcome == verdict::kind::error)
    watch_.detached_failed(tenant, label_, outcome);
  trace_execution(watch_, tenant, label_, what, how);
}

void session_core::lose_flight(in_flight& flight, bool front, const cause& why,
                               const std::string& text) {
  if (flight.settled)
    return;
  auto& what = *flight.what;
  bool computes = front && !flight.asynchronous;
  verdict how;
  how.session = session_outcome::lost;
  how.cause = why;
  if (flight.stop != stop_reason::none && front) {
    stopped_verdict(how, flight, true);
  } else {
    how.outcome = verdict::kind::error;
    bool internal = why.what == "internal";
    // Whoever had the worker is told which limit it was; the others lose their session.
    auto kind = internal                        ? error_kind::internal
                : front && why.what == "memory" ? error_kind::memory
                : front && why.what == "cpu"    ? error_kind::limit
                                                : error_kind::session_lost;
    how.error_kind = static_cast<std::uint32_t>(kind);
    how.content = make_error(kind, text);
  }
  how.displays_dropped = flight.displays_dropped;
  how.files = lost_files(what);
  if (worker_) {
    how.usage.peak_memory_bytes = peak_memory();
    if (auto used = cpu_used(); used && computes)
      how.usage.cpu = *used - flight.cpu_before;
  }
  if (flight.asynchronous)
    how.usage.cpu = duration_cast<microseconds>(loop_share_ - flight.loop_before);
  if (end_ && front) {
    if (computes)
      how.usage.cpu = std::max(how.usage.cpu, end_->cpu - flight.cpu_before);
    how.usage.peak_memory_bytes = std::max(how.usage.peak_memory_bytes, end_->peak_memory_bytes);
  }
  how.usage.cpu += flight.cpu_used;
  if (what.now() == execution::state::queued)
    what.mark_started(clock_type::now());
  how.usage.wall = duration_cast<microseconds>(clock_type::now() - what.submitted());
  how.usage.queued = duration_cast<microseconds>(what.started() - what.submitted());
  how.usage.output_bytes = flight.output_seen;
  observe_end(what, how);
  what.finish(std::move(how));
}

void session_core::finish_all(const cause& why) {
  auto text = "the session ended before the execution did: " + vivarium::describe(why);
  charge_loop();
  auto flights = std::exchange(sent_, {});
  auto parked = std::exchange(parked_, {});
  auto queued = std::exchange(waiting_, {});
  parked_async_ = parked_budgets_ = stopping_ = 0;
  setup_.clear();
  bool front = true;
  for (auto& flight : flights)
    lose_flight(flight, std::exchange(front, false), why, text);
  for (auto& [number, flight] : parked)
    lose_flight(flight, flights.empty(), why, text);
  lose_tracked(why);
  for (auto& what : queued) {
    verdict how;
    how.outcome = verdict::kind::error;
    how.session = session_outcome::lost;
    how.cause = why;
    auto kind = why.what == "internal" ? error_kind::internal : error_kind::session_lost;
    how.error_kind = static_cast<std::uint32_t>(kind);
    how.content = make_error(kind, text);
    complete_queued(what, std::move(how));
  }
}

} // namespace vivarium
