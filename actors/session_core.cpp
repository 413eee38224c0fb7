// SPDX-License-Identifier: Apache-2.0
#include "actors/session_core.hpp"

#include "sandbox/attest.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace vivarium {

using namespace std::chrono_literals;
using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::milliseconds;

namespace {

// How much is sent to a worker ahead of its answers: enough for one wake-up to serve many callers,
// little enough that a dying worker takes little with it.
constexpr std::size_t max_sent = 64;
constexpr std::size_t max_unsent_bytes = 256 * 1024;
// No CPU budget is looked at more often.
constexpr auto cpu_check_floor = 1ms;
// A session's refused system calls are counted each, but logged no more often.
constexpr auto denial_log_interval = 1s;

error lost_error(const session_info& info) {
  std::string text = "session '" + (info.name.empty() ? info.id : info.name) + "' has ended";
  if (info.cause)
    text += ": " + describe(*info.cause);
  return error{errc::session_lost, std::move(text)};
}

} // namespace

session_core::session_core(session_plan plan, const settings& config, observer& watch,
                           load_gauge& load, session_ports ports)
    : info_{std::move(plan.info)}, tenant_{std::move(plan.tenant)},
      idle_timeout_{plan.idle_timeout}, one_shot_{plan.one_shot}, config_{config}, watch_{watch},
      load_{load}, ports_{std::move(ports)} {
  info_.state = session_state::starting;
  ports_.ask_pool();
  wake_armed_ = asked_for_worker_ + config_.start_timeout;
  ports_.wake_at(wake_armed_);
}

session_core::~session_core() {
  // Reached with open executions only when the actor died of a bug.
  cause why{.what = "internal", .limit = {}, .enforced_by = enforcer::daemon};
  finish_all(why);
  let_go();
}

// -- requests
// ---------------------------------------------------------------------------------------

void session_core::run(const execution_ptr& what, const reply<execution_ptr>& to) {
  auto refuse = [&](error why, error_kind kind) {
    // It has an id already: whoever lists executions must see that it is over.
    verdict how;
    how.outcome = verdict::kind::error;
    how.error_kind = static_cast<std::uint32_t>(kind);
    how.content = make_error(kind, why.detail);
    what->finish(std::move(how));
    to.refuse(std::move(why));
  };
  if (info_.state == session_state::dead)
    return refuse(lost_error(info_), error_kind::session_lost);
  bool idle = info_.state == session_state::ready && waiting_.empty();
  if (what->request().fail_if_busy && !idle)
    return refuse(error{errc::busy, "the session is busy and the request asked not to wait"},
                  error_kind::busy);
  if (waiting_.size() >= config_.queue_length)
    return refuse(error{errc::limit_exceeded,
                        "the session's queue is full: " + std::to_string(waiting_.size())
                            + " executions wait, the maximum is "
                            + std::to_string(config_.queue_length)
                            + "; try again when some have ended"},
                  error_kind::busy);
  to.give(what);
  waiting_.push_back(what);
  dispatch();
  auto deadline = what->submitted() + what->request().timeout;
  if (deadline < wake_armed_) {
    wake_armed_ = deadline;
    ports_.wake_at(deadline);
  }
}

void session_core::cancel(const execution_ptr& what, stop_mode mode, const reply<bool>& to) {
  if (auto it = std::find(waiting_.begin(), waiting_.end(), what); it != waiting_.end()) {
    waiting_.erase(it);
    verdict how;
    how.outcome = verdict::kind::error;
    how.error_kind = static_cast<std::uint32_t>(error_kind::cancelled);
    how.content = make_error(error_kind::cancelled, "the execution was cancelled before it began");
    how.cause = cause{.what = "cancelled", .limit = {}, .enforced_by = enforcer::daemon};
    complete_queued(what, std::move(how));
    to.give(true);
    return maybe_stop();
  }
  auto* flight = what->number == 0 ? nullptr : find(what->number);
  if (flight == nullptr || flight->what != what || flight->settled)
    return to.give(false);
  to.give(true);
  if (mode == stop_mode::kill)
    kill_for(cause{.what = "cancelled", .limit = {}, .enforced_by = enforcer::daemon});
  else if (flight->stop == stop_reason::none)
    interrupt(*flight, stop_reason::cancelled);
  update_wake();
}

void session_core::describe(const reply<session_info>& to) {
  if (info_.state == session_state::starting)
    describing_.push_back(to);
  else
    to.give(info_);
}

void session_core::close(const reply<done>& to, std::string_view why) {
  to.give(done{});
  if (info_.state == session_state::dead)
    return;
  if (worker_)
    ports_.kill(worker_number_);
  else
    leave_pool();
  lose(cause{.what = std::string{why}, .limit = {}, .enforced_by = enforcer::daemon});
}

// -- the worker's life
// ------------------------------------------------------------------------------

void session_core::on_granted(worker_ptr worker) {
  if (info_.state != session_state::starting)
    return; // It came too late; letting go of the pointer ends it.
  worker_ = std::move(worker);
  worker_number_ = worker_->number();
  info_.python_version = worker_->python_version();
  ports_.watch_input();
  worker_->on_denied([this](const sandbox::denied_call& call) { on_denied(call); });
  watch_.session_opened(tenant_, info_.environment,
                        duration_cast<microseconds>(clock_type::now() - asked_for_worker_));
  become_ready();
}

void session_core::on_refused(const error& why) {
  if (info_.state != session_state::starting)
    return;
  for (auto& asker : std::exchange(describing_, {}))
    asker.refuse(why);
  leave_pool();
  lose(cause{.what = "unavailable", .limit = why.detail, .enforced_by = enforcer::daemon});
}

void session_core::become_ready() {
  info_.state = session_state::ready;
  idle_since_ = clock_type::now();
  for (auto& asker : std::exchange(describing_, {}))
    asker.give(info_);
  dispatch();
  update_wake();
}

void session_core::on_exited(const worker_end& end) {
  if (end.worker != worker_number_ || info_.state == session_state::dead)
    return;
  end_ = end;
  // What the worker managed to say before it died still counts.
  if (!channel_closed_ && worker_)
    on_input();
  if (info_.state != session_state::dead)
    lose(death_ ? *death_ : cause_of(end));
}

void session_core::on_gone(std::uint64_t worker) {
  if (worker != worker_number_)
    return;
  worker_gone_ = true;
  if (info_.state != session_state::dead)
    lose(cause{.what = "jail", .limit = {}, .enforced_by = enforcer::kernel});
  maybe_stop();
}

void session_core::kill_for(cause why) {
  death_ = why;
  ports_.kill(worker_number_);
  lose(why);
}

void session_core::violated(std::string_view what) {
  kill_for(cause{.what = "protocol", .limit = std::string{what}, .enforced_by = enforcer::daemon});
}

void session_core::lose(const cause& why) {
  info_.state = session_state::dead;
  info_.cause = why;
  finish_all(why);
  let_go(); // which also has the pool kill what may be left of it
  maybe_stop();
}

void session_core::leave_pool() {
  // A worker lent to a session that has ended would be made and killed for nothing.
  ports_.leave_pool();
  worker_gone_ = true;
}

void session_core::let_go() {
  if (worker_)
    worker_->on_denied(nullptr);
  worker_.reset();
}

void session_core::on_denied(const sandbox::denied_call& call) {
  if (!sent_.empty())
    sent_.front().denied_call = call.name;
  watch_.call_denied(info_.environment, call.name);
  // A worker chooses how often it is told off; the log must not be its to fill.
  auto now = clock_type::now();
  if (now < denial_log_after_)
    return;
  denial_log_after_ = now + denial_log_interval;
  spdlog::warn("session {} of tenant {}: the sandbox refused the system call {}", info_.id, tenant_,
               call.name);
}

void session_core::maybe_stop() {
  bool served = one_shot_ && info_.executions > 0 && sent_.empty() && waiting_.empty();
  if (served && info_.state != session_state::dead)
    return close(reply<done>{}, "closed");
  if (info_.state != session_state::dead)
    return;
  if (!std::exchange(reported_, true)) {
    for (auto& asker : std::exchange(describing_, {}))
      asker.refuse(lost_error(info_));
    watch_.session_closed(tenant_, info_.environment, info_.cause ? info_.cause->what : "");
    ports_.report_end(info_);
  }
  if (worker_gone_)
    ports_.stop();
}

// -- running
// ----------------------------------------------------------------------------------------

void session_core::dispatch() {
  if (!worker_ || info_.state == session_state::dead)
    return;
  while (!waiting_.empty() && sent_.size() < max_sent && worker_->unsent() < max_unsent_bytes) {
    auto next = std::move(waiting_.front());
    waiting_.pop_front();
    if (clock_type::now() >= next->submitted() + next->request().timeout) {
      verdict how;
      in_flight never{.what = next, .deadline = {}, .stop = stop_reason::deadline};
      stopped_verdict(how, never, false);
      complete_queued(next, std::move(how));
      continue;
    }
    send(next);
    if (info_.state == session_state::dead)
      return;
  }
  unflushed_ = true;
  update_state();
}

void session_core::flush() {
  if (!std::exchange(unflushed_, false) || !worker_)
    return;
  switch (worker_->flush()) {
    case worker::write_outcome::complete: break;
    case worker::write_outcome::blocked: ports_.watch_output(); break;
    case worker::write_outcome::closed: break; // The answer pipe tells the same, in order.
  }
}

void session_core::send(const execution_ptr& what) {
  what->number = next_number_++;
  const auto& request = what->request();
  auto deadline = what->submitted() + request.timeout;
  bridge::evaluate order{
      .execution = what->number,
      .source = request.source,
      .filename = request.filename,
      .first_line = request.first_line,
      .mode = request.mode,
      .form = request.form,
      .start_before_us = static_cast<std::uint64_t>(
          duration_cast<microseconds>(deadline.time_since_epoch()).count()),
      .max_result_bytes = config_.result_bytes,
      .max_output_bytes = config_.output_bytes,
  };
  if (auto ok = bridge::append_evaluate(worker_->outgoing(), order); !ok) {
    verdict how;
    how.outcome = verdict::kind::error;
    how.error_kind = static_cast<std::uint32_t>(error_kind::limit);
    how.content = make_error(error_kind::limit, ok.why().detail);
    return complete_queued(what, std::move(how));
  }
  what->drop_source();
  load_.touch();
  sent_.push_back(in_flight{.what = what, .deadline = deadline});
  if (sent_.size() == 1)
    start_front();
}

void session_core::start_front() {
  if (sent_.empty())
    return;
  auto& front = sent_.front();
  if (front.settled) {
    // It was given up while others ran; now it has the worker for itself and must let go of it.
    front.force_at = clock_type::now() + config_.grace;
    wake_armed_ = std::min(wake_armed_, front.force_at);
    ports_.wake_at(wake_armed_);
    return;
  }
  if (front.what->now() != execution::state::queued)
    return;
  if (front.what->request().cpu_budget > 0ms) {
    last_cpu_ = sandbox::cpu_time_of(worker_->host_pid()).value_or(last_cpu_ + cpu_unread_);
    cpu_unread_ = microseconds{0};
  }
  front.cpu_before = last_cpu_ + cpu_unread_;
  front.what->mark_started(clock_type::now());
  front.what->append(event::kind::started, {});
  if (front.what->request().cpu_budget > 0ms)
    update_wake();
}

void session_core::interrupt(in_flight& target, stop_reason why) {
  target.stop = why;
  target.force_at = clock_type::now() + config_.grace;
  ports_.interrupt(worker_number_, target.what->number);
  update_state();
}

void session_core::give_up_on(in_flight& target, bool is_front) {
  if (is_front) {
    const char* what = target.stop == stop_reason::cancelled ? "cancelled"
                       : target.stop == stop_reason::cpu     ? "cpu"
                                                             : "deadline";
    return kill_for(cause{.what = what, .limit = {}, .enforced_by = enforcer::daemon});
  }
  // Something before it has the worker: it is not the one to be killed. It is answered now, and its
  // late answer, if one comes, is dropped.
  verdict how;
  stopped_verdict(how, target, false);
  target.settled = true;
  auto what = target.what;
  observe_end(*what, how);
  ++info_.executions;
  what->finish(std::move(how));
}

void session_core::update_state() {
  if (info_.state == session_state::dead || info_.state == session_state::starting)
    return;
  bool stopping = std::any_of(sent_.begin(), sent_.end(),
                              [](const auto& f) { return f.stop != stop_reason::none; });
  auto before = info_.state;
  info_.state = sent_.empty() ? session_state::ready
                : stopping    ? session_state::interrupting
                              : session_state::busy;
  if (info_.state == session_state::ready && before != session_state::ready)
    idle_since_ = clock_type::now();
}

// -- time
// -------------------------------------------------------------------------------------------

void session_core::on_tick() {
  wake_armed_ = clock_type::time_point::max();
  auto now = clock_type::now();
  if (info_.state == session_state::starting) {
    if (now >= asked_for_worker_ + config_.start_timeout)
      return on_refused(error{errc::unavailable, "no worker became ready in time"});
    return update_wake();
  }
  if (info_.state == session_state::dead)
    return;
  if (channel_closed_ && now >= reap_by_)
    return lose(cause{.what = "exited", .limit = {}, .enforced_by = enforcer::kernel});

  while (!waiting_.empty()
         && now >= waiting_.front()->submitted() + waiting_.front()->request().timeout)
    dispatch_expired();
  for (std::size_t i = 0; i < sent_.size() && info_.state != session_state::dead; ++i) {
    auto& flight = sent_[i];
    bool front = i == 0;
    if (flight.stop != stop_reason::none) {
      if (now >= flight.force_at && (front || !flight.settled))
        give_up_on(flight, front);
    } else if (now >= flight.deadline) {
      interrupt(flight, stop_reason::deadline);
    } else if (front && flight.what->request().cpu_budget > 0ms) {
      auto used = sandbox::cpu_time_of(worker_->host_pid());
      if (used && *used - flight.cpu_before >= flight.what->request().cpu_budget)
        interrupt(flight, stop_reason::cpu);
    }
  }
  if (info_.state == session_state::ready && waiting_.empty() && now >= idle_since_ + idle_timeout_)
    return close(reply<done>{}, "idle");
  update_wake();
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

void session_core::update_wake() {
  if (info_.state == session_state::dead)
    return;
  auto next = clock_type::time_point::max();
  auto consider = [&next](clock_type::time_point t) { next = std::min(next, t); };
  if (info_.state == session_state::starting)
    consider(asked_for_worker_ + config_.start_timeout);
  if (channel_closed_)
    consider(reap_by_);
  if (!waiting_.empty())
    consider(waiting_.front()->submitted() + waiting_.front()->request().timeout);
  for (std::size_t i = 0; i < sent_.size(); ++i) {
    const auto& flight = sent_[i];
    if (flight.stop == stop_reason::none)
      consider(flight.deadline);
    else if (i == 0 || !flight.settled)
      consider(flight.force_at);
    auto budget = flight.what->request().cpu_budget;
    if (i == 0 && budget > 0ms && flight.stop == stop_reason::none) {
      auto used = sandbox::cpu_time_of(worker_->host_pid()).value_or(flight.cpu_before);
      // With several threads CPU time passes faster than wall time: look again half way.
      auto left = duration_cast<microseconds>(budget) - (used - flight.cpu_before);
      consider(clock_type::now() + std::max<microseconds>(left / 2, cpu_check_floor));
    }
  }
  if (info_.state == session_state::ready)
    consider(idle_since_ + idle_timeout_);
  if (next < wake_armed_) {
    wake_armed_ = next;
    ports_.wake_at(next);
  }
}

} // namespace vivarium
