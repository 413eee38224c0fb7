// SPDX-License-Identifier: Apache-2.0

// The part of a session that listens to its worker. Whatever comes is an attacker's until it has
// been checked; what does not fit the session's state ends the session.

#include "actors/session_core.hpp"
#include "bridge/validate.hpp"
#include "sandbox/attest.hpp"

#include <algorithm>
#include <utility>

namespace vivarium {

using std::chrono::duration_cast;
using std::chrono::microseconds;

namespace {

// Reads per turn, so that a worker that never stops talking cannot hold the reactor.
constexpr int reads_per_turn = 16;
// How much more than the limit a worker may send before the daemon cuts by itself: what one flush
// of its capture holds.
constexpr std::size_t output_slack = 64 * 1024;
// How long the reaper may take to tell how a worker ended after its channel has closed.
constexpr auto reap_patience = std::chrono::seconds{2};
// An ended execution that holds more than this is accounted for by its tenant.
constexpr std::size_t large_execution = 64 * 1024;
// Executions shorter than this are charged no CPU time.
constexpr auto worth_a_clock = std::chrono::milliseconds{1};
// Executions shorter than this are not worth reading /proc for.
constexpr auto worth_a_peak = std::chrono::milliseconds{20};

} // namespace

void session_core::on_input() {
  if (!worker_ || info_.state == session_state::dead)
    return;
  auto keep = worker_; // Losing the session lets go of it while its frames are still being read.
  for (int turn = 0; turn < reads_per_turn; ++turn) {
    auto got = keep->read_some();
    if (got == worker::read_outcome::nothing)
      break;
    if (got == worker::read_outcome::closed) {
      channel_closed_ = true;
      reap_by_ = clock_type::now() + reap_patience;
      if (end_)
        return; // on_exited() is calling and knows how it ended.
      return update_wake();
    }
    for (;;) {
      auto frame = keep->frames().next();
      if (!frame)
        return violated(frame.why().detail);
      if (!*frame)
        break;
      if (!handle(**frame) || info_.state == session_state::dead)
        return;
    }
    if (keep->drained())
      break; // Asking once more would only be told so.
  }
  dispatch();
  maybe_stop();
  if (info_.state != session_state::dead)
    ports_.watch_input();
}

void session_core::on_writable() {
  dispatch();
}

bool session_core::handle(const bridge::frame& frame) {
  switch (frame.type) {
    case bridge::frame_type::output: return handle_output(frame.body);
    case bridge::frame_type::display: return handle_display(frame.body);
    case bridge::frame_type::finished: return handle_finished(frame.body);
    case bridge::frame_type::items:
    case bridge::frame_type::pull:
    case bridge::frame_type::hello:
    case bridge::frame_type::evaluate: break;
  }
  violated("a frame that does not belong here");
  return false;
}

session_core::in_flight* session_core::find(std::uint64_t number) {
  auto it = std::find_if(sent_.begin(), sent_.end(),
                         [number](const auto& f) { return f.what->number == number; });
  return it == sent_.end() ? nullptr : &*it;
}

bool session_core::handle_output(std::string_view body) {
  auto message = bridge::decode_output(body);
  auto* flight = message ? find(message->execution) : nullptr;
  if (flight == nullptr) {
    violated(message ? "output for an execution that does not run" : message.why().detail);
    return false;
  }
  if (flight->settled)
    return true;
  flight->output_seen += message->text.size();
  if (flight->output_seen > config_.output_bytes + output_slack) {
    flight->output_cut = true;
    return true;
  }
  std::string text;
  bridge::append_utf8_lossy(text, message->text);
  flight->what->append(message->is_stderr ? event::kind::err : event::kind::out, std::move(text));
  return true;
}

bool session_core::handle_display(std::string_view body) {
  auto message = bridge::decode_display(body);
  auto* flight = message ? find(message->execution) : nullptr;
  if (flight == nullptr) {
    violated(message ? "a display for an execution that does not run" : message.why().detail);
    return false;
  }
  if (auto ok = bridge::validate_display(message->content); !ok) {
    violated(ok.why().detail);
    return false;
  }
  if (!flight->settled)
    flight->what->append(event::kind::display, std::string{message->content});
  return true;
}

bool session_core::handle_finished(std::string_view body) {
  auto message = bridge::decode_finished(body);
  auto* flight = message ? find(message->execution) : nullptr;
  if (flight == nullptr) {
    violated(message ? "a result for an execution that does not run" : message.why().detail);
    return false;
  }
  auto how = verdict_from(*flight, *message);
  if (!how)
    return false;
  complete(*flight, std::move(*how));
  return true;
}

std::optional<verdict> session_core::verdict_from(const in_flight& flight,
                                                  const bridge::finished& message) {
  using outcome = bridge::finished::outcome;
  verdict how;
  how.output_truncated = message.output_truncated || flight.output_cut;
  how.usage.output_bytes = message.output_bytes;
  status fine = done{};
  switch (message.kind) {
    case outcome::value:
      fine = bridge::validate_value(message.content);
      how.outcome = verdict::kind::value;
      how.content = message.content;
      break;
    case outcome::repr:
      how.outcome = verdict::kind::repr;
      bridge::append_utf8_lossy(how.content, message.content);
      break;
    case outcome::nothing: how.outcome = verdict::kind::nothing; break;
    case outcome::error:
      fine = bridge::validate_error(message.content);
      how.outcome = verdict::kind::error;
      how.content = message.content;
      break;
    case outcome::expired: how.outcome = verdict::kind::error; break;
  }
  if (!fine) {
    violated(fine.why().detail);
    return std::nullopt;
  }
  if (message.content.size() > config_.result_bytes + output_slack) {
    violated("a result over the limit");
    return std::nullopt;
  }
  if (flight.stop != stop_reason::none || message.kind == outcome::expired)
    stopped_verdict(how, flight, false);
  else if (how.outcome == verdict::kind::error)
    how.error_kind = static_cast<std::uint32_t>(kind_of_error(how.content));
  return how;
}

void session_core::stopped_verdict(verdict& out, const in_flight& flight, bool lost) const {
  using std::chrono::milliseconds;
  const auto& request = flight.what->request();
  auto elapsed = duration_cast<milliseconds>(clock_type::now() - flight.what->submitted()).count();
  std::string text;
  auto kind = error_kind::timeout;
  cause why;
  why.enforced_by = enforcer::daemon;
  why.observed = static_cast<std::uint64_t>(elapsed);
  if (flight.stop == stop_reason::cancelled) {
    kind = error_kind::cancelled;
    text = "the execution was cancelled";
    why.what = "cancelled";
    why.observed = 0;
  } else if (flight.stop == stop_reason::cpu) {
    why.what = "cpu";
    why.limit = "cpu_ms";
    why.configured = static_cast<std::uint64_t>(request.cpu_budget.count());
    why.observed = static_cast<std::uint64_t>(
        duration_cast<milliseconds>(
            sandbox::cpu_time_of(worker_ ? worker_->host_pid() : 0).value_or(last_cpu_)
            - flight.cpu_before)
            .count());
    text = "the execution used up its CPU budget of " + std::to_string(why.configured) + " ms";
  } else {
    why.what = "deadline";
    why.limit = "timeout_ms";
    why.configured = static_cast<std::uint64_t>(request.timeout.count());
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

std::chrono::microseconds session_core::cpu_of(const in_flight& flight) {
  // The clock costs more than a small execution's share of it: those are charged nothing, and what
  // they took at most is not charged to the next one either.
  auto ran = duration_cast<microseconds>(clock_type::now() - flight.what->started());
  if (ran < worth_a_clock && flight.what->request().cpu_budget.count() == 0) {
    cpu_unread_ += ran;
    return microseconds{0};
  }
  auto used = sandbox::cpu_time_of(worker_->host_pid());
  if (!used)
    return microseconds{0};
  last_cpu_ = *used;
  cpu_unread_ = microseconds{0};
  return std::max(*used - flight.cpu_before, microseconds{0});
}

void session_core::complete(in_flight& flight, verdict how) {
  load_.touch();
  auto what = flight.what;
  bool settled = flight.settled;
  bool was_front = &flight == &sent_.front();
  if (!settled) {
    if (what->now() == execution::state::queued) // It overtook one that still awaits something.
      what->mark_started(clock_type::now());
    if (was_front)
      how.usage.cpu = cpu_of(flight);
    if (how.error_kind == static_cast<std::uint32_t>(error_kind::permission)
        && !flight.denied_call.empty())
      how.cause = cause{"denied", flight.denied_call, 0, 0, enforcer::kernel};
    bool memory = how.error_kind == static_cast<std::uint32_t>(error_kind::memory);
    if (memory || clock_type::now() - what->started() > worth_a_peak)
      how.usage.peak_memory_bytes =
          sandbox::peak_resident_bytes_of(worker_->host_pid()).value_or(0);
    if (memory && how.usage.peak_memory_bytes >= config_.worker.memory_bytes)
      how.cause = cause{"memory", "memory_bytes", config_.worker.memory_bytes,
                        how.usage.peak_memory_bytes, enforcer::kernel};
  }
  std::erase_if(sent_, [&what](const auto& f) { return f.what == what; });
  if (!settled) {
    ++info_.executions;
    using std::chrono::microseconds;
    how.usage.wall = duration_cast<microseconds>(clock_type::now() - what->submitted());
    how.usage.queued = duration_cast<microseconds>(what->started() - what->submitted());
    observe_end(*what, how);
  }
  update_state();
  if (was_front)
    start_front();
  if (settled)
    return;
  bool large = what->log_bytes() + how.content.size() > large_execution;
  what->finish(std::move(how));
  if (large)
    ports_.report_large(what);
}

void session_core::complete_queued(const execution_ptr& what, verdict how) {
  ++info_.executions;
  how.usage.wall = how.usage.queued =
      duration_cast<microseconds>(clock_type::now() - what->submitted());
  observe_end(*what, how);
  what->finish(std::move(how));
}

void session_core::observe_end(const execution&, const verdict& how) {
  auto outcome = how.outcome == verdict::kind::error
                     ? std::string{name_of(static_cast<error_kind>(how.error_kind))}
                     : std::string{"ok"};
  watch_.execution_ended(tenant_, info_.environment, outcome, how.cause ? how.cause->what : "",
                         how.usage);
}

void session_core::finish_all(const cause& why) {
  auto text = "the session ended before the execution did: " + vivarium::describe(why);
  auto flights = std::exchange(sent_, {});
  auto queued = std::exchange(waiting_, {});
  for (auto& flight : flights) {
    if (flight.settled)
      continue;
    verdict how;
    how.session = session_outcome::lost;
    how.cause = why;
    if (flight.stop != stop_reason::none && &flight == &flights.front()) {
      stopped_verdict(how, flight, true);
    } else {
      how.outcome = verdict::kind::error;
      auto kind = why.what == "internal" ? error_kind::internal : error_kind::session_lost;
      how.error_kind = static_cast<std::uint32_t>(kind);
      how.content = make_error(kind, text);
    }
    if (worker_) {
      how.usage.peak_memory_bytes =
          sandbox::peak_resident_bytes_of(worker_->host_pid()).value_or(0);
      if (auto used = sandbox::cpu_time_of(worker_->host_pid());
          used && &flight == &flights.front())
        how.usage.cpu = *used - flight.cpu_before;
    }
    if (end_ && &flight == &flights.front()) {
      how.usage.cpu = std::max(how.usage.cpu, end_->cpu - flight.cpu_before);
      how.usage.peak_memory_bytes = std::max(how.usage.peak_memory_bytes, end_->peak_memory_bytes);
    }
    if (flight.what->now() == execution::state::queued)
      flight.what->mark_started(clock_type::now());
    ++info_.executions;
    how.usage.wall = duration_cast<microseconds>(clock_type::now() - flight.what->submitted());
    how.usage.queued =
        duration_cast<microseconds>(flight.what->started() - flight.what->submitted());
    how.usage.output_bytes = flight.output_seen;
    observe_end(*flight.what, how);
    flight.what->finish(std::move(how));
  }
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
