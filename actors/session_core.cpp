// SPDX-License-Identifier: Apache-2.0

// A session's requests, and the life of its worker.

#include "actors/session_core.hpp"

#include "sandbox/attest.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace vivarium {

using namespace std::chrono_literals;
using std::chrono::duration_cast;
using std::chrono::microseconds;

namespace {

// A session's refused system calls are counted each, but logged no more often.
constexpr auto denial_log_interval = 1s;
// Why a session has ended that an administrator ended.
constexpr std::string_view administrator = "administrator";

error lost_error(const session_info& info) {
  std::string text = "session '" + (info.name.empty() ? info.id : info.name) + "' has ended";
  if (info.cause)
    text += ": " + describe(*info.cause);
  return error{errc::session_lost, std::move(text)};
}

} // namespace

session_core::session_core(session_plan plan, const settings& config, observer& watch,
                           load_gauge& load, session_ports ports)
    : info_{std::move(plan.info)}, limits_{info_.limits}, tenant_{std::move(plan.tenant)},
      environment_{std::move(plan.environment)}, label_{std::move(plan.label)},
      wish_{std::move(plan.wish)}, idle_timeout_{wish_.idle_timeout}, one_shot_{plan.one_shot},
      config_{config}, watch_{watch}, load_{load}, ports_{std::move(ports)} {
  info_.state = session_state::starting;
  ports_.ask_pool();
  wake_by(asked_for_worker_ + config_.start_timeout);
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
  if (info_.state == session_state::dead || !closing_.empty()) {
    // The pool that it is of has others for what has not begun.
    if (!what->request().pool.empty())
      return to.refuse(lost_error(info_));
    return refuse(lost_error(info_), error_kind::session_lost);
  }
  if (auto ok = complete(*what); !ok)
    return refuse(ok.why(), error_kind::not_found);
  if (!what->request().within_call.empty()) {
    auto within = call_of(what->request().within_call);
    if (!within)
      return refuse(within.why(),
                    within.why().code == errc::busy ? error_kind::busy : error_kind::not_found);
    what->within = *within;
    to.give(what);
    waiting_.push_front(what); // Who waits for the answer must not be waited for.
    dispatch();
    return wake_by(what->submitted() + what->request().timeout);
  }
  bool idle = info_.state == session_state::ready && waiting_.empty();
  if (what->request().fail_if_busy && !idle)
    return refuse(error{errc::busy, "the session is busy and the request asked not to wait"},
                  error_kind::busy);
  if (waiting_.size() >= limits_[limit::queue]) {
    watch_.limit_reached(tenant_, label_, "queue");
    return refuse(error{errc::limit_exceeded,
                        "the session's queue is full: " + std::to_string(waiting_.size())
                            + " executions wait, the maximum is "
                            + std::to_string(limits_[limit::queue])
                            + " (limits.queue); try again when some have ended"},
                  error_kind::busy);
  }
  if (!stalled_.empty())
    stall(*what);
  to.give(what);
  waiting_.push_back(what);
  dispatch();
  wake_by(what->submitted() + what->request().timeout);
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

void session_core::pull(const execution_ptr& what, std::uint64_t credit) {
  auto* flight = what->number == 0 ? nullptr : find(what->number);
  if (flight == nullptr || flight->what != what) {
    if (what->end())
      return;
    if (credit == 0)
      cancel(what, stop_mode::interrupt, reply<bool>{});
    else
      what->early_rounds.push_back(credit);
    return;
  }
  if (flight->settled || flight->stop != stop_reason::none)
    return;
  if (credit == 0)
    close_stream(*flight);
  else
    order_round(*flight, credit);
  unflushed_ = true;
}

void session_core::describe(bool when_started, const reply<session_info>& to) {
  info_.namespaces = namespaces_.size();
  info_.worker_cpu = cpu_used().value_or(info_.worker_cpu);
  if (info_.state == session_state::starting && when_started)
    describing_.push_back(to);
  else
    to.give(info_);
}

void session_core::memory(const reply<worker_memory>& to) {
  if (!worker_)
    return to.refuse(info_.state == session_state::dead
                         ? lost_error(info_)
                         : error{errc::failed_precondition, "the session has not started yet"});
  to.give(worker_memory{sandbox::resident_bytes_of(worker_->host_pid()).value_or(0),
                        sandbox::peak_resident_bytes_of(worker_->host_pid()).value_or(0)});
}

void session_core::close(const reply<done>& to, std::string_view why) {
  to.give(done{});
  if (info_.state == session_state::dead)
    return;
  if (entered_ && worker_ && info_.state != session_state::starting && closing_.empty()) {
    closing_ = why;
    return leave_contexts_and_close();
  }
  if (worker_)
    ports_.kill(worker_number_);
  else
    leave_pool();
  lose(cause{.what = std::string{why}, .limit = {}, .enforced_by = enforcer::daemon});
}

void session_core::end_by_administrator(stop_mode how, const reply<done>& to) {
  if (how == stop_mode::interrupt) {
    closed_by_ = administrator;
    return commit_and_close(to);
  }
  to.give(done{});
  if (info_.state == session_state::dead)
    return;
  cause why{.what = std::string{administrator}, .limit = {}, .enforced_by = enforcer::daemon};
  if (worker_)
    return kill_for(why);
  leave_pool();
  lose(why);
}

// -- the worker's life
// ------------------------------------------------------------------------------

void session_core::on_granted(worker_ptr worker) {
  if (info_.state != session_state::starting)
    return; // It came too late; letting go of the pointer ends it.
  worker_ = std::move(worker);
  worker_number_ = worker_->number();
  info_.python_version = worker_->python_version();
  info_.worker_pid = worker_->host_pid();
  ports_.watch_input();
  if (ports_.share_cpu)
    share_ = ports_.share_cpu(*worker_, info_.processes == process_mode::children);
  if (share_)
    share_->set_busy(true); // It is about to be set up.
  worker_->on_denied([this](const sandbox::denied_call& call) { on_denied(call); });
  worker_->on_call([this](const sandbox::caught_call& call) { return on_call(call); });
  if (auto ok = open_egress(); !ok) {
    start_error_ = std::move(ok).why();
    return kill_for(cause{
        .what = "unavailable", .limit = start_error_->detail, .enforced_by = enforcer::daemon});
  }
  specialise();
}

void session_core::on_refused(const error& why) {
  if (info_.state != session_state::starting || worker_)
    return;
  start_error_ = why;
  leave_pool();
  lose(cause{.what = "unavailable", .limit = why.detail, .enforced_by = enforcer::daemon});
}

void session_core::become_ready() {
  watch_.session_opened(tenant_, label_,
                        duration_cast<microseconds>(clock_type::now() - asked_for_worker_));
  if (wish_.trace.recorded)
    watch_.traced(wish_.trace,
                  {.name = "session start", .from = asked_for_worker_, .to = clock_type::now()},
                  {{"vivarium.tenant", tenant_},
                   {"vivarium.environment", label_},
                   {"vivarium.session.id", info_.id},
                   {"vivarium.request.id", wish_.request_id}});
  opened_ = true;
  if (ports_.start)
    ports_.start->started();
  if (!one_shot_) // Whose id nobody is told; it is an evaluation and nothing else.
    watch_.audit(audit_event::session_created, {tenant_, info_.id, wish_.request_id},
                 {{"environment", info_.environment}, {"name", info_.name}});
  open_mailbox();
  info_.state = session_state::ready;
  idle_since_ = clock_type::now();
  for (auto& asker : std::exchange(describing_, {}))
    asker.give(info_);
  for (auto& asker : std::exchange(awaiting_files_, {}))
    files(asker);
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
    lose(death_ ? *death_ : cause_of_end(end));
}

void session_core::on_gone(std::uint64_t worker) {
  if (worker != worker_number_)
    return;
  worker_gone_ = true;
  if (info_.state != session_state::dead)
    lose(death_ ? *death_ : cause{.what = "jail", .limit = {}, .enforced_by = enforcer::kernel});
  maybe_stop();
}

void session_core::kill_for(const cause& why) {
  death_ = why;
  ports_.kill(worker_number_);
  lose(why);
}

void session_core::violated(std::string_view what) {
  kill_for(cause{.what = "protocol", .limit = std::string{what}, .enforced_by = enforcer::daemon});
}

void session_core::lose(const cause& why) {
  judge_start(why);
  info_.state = session_state::dead;
  info_.worker_pid = 0;
  info_.cause = why;
  if (why.what == "memory" || why.what == "cpu" || why.what == "deadline")
    watch_.limit_reached(tenant_, label_, why.limit.empty() ? why.what : why.limit);
  finish_all(why);
  drop_calls();
  let_go(); // which also has the pool kill what may be left of it
  maybe_stop();
}

void session_core::leave_pool() {
  // A worker lent to a session that has ended would be made and killed for nothing.
  ports_.leave_pool();
  worker_gone_ = true;
}

void session_core::let_go() {
  inbox_.reset();
  if (files_)
    files_->end();
  files_.reset();
  if (egress_)
    egress_->close();
  egress_.reset();
  if (worker_) {
    worker_->on_denied(nullptr);
    worker_->on_call(nullptr);
  }
  if (pulse_)
    pulse_->of = nullptr;
  pulse_.reset();
  watched_.reset();
  share_.reset();
  worker_.reset();
  if (!cgroup_.empty())
    ports_.leave_cgroup(std::exchange(cgroup_, {}));
}

void session_core::on_denied(const sandbox::denied_call& call) {
  if (worker_ && call.killed == worker_->host_pid()) // The reaper will only say that it was killed.
    death_ = cause{"seccomp", call.name, 0, 0, enforcer::kernel};
  else if (auto* flight = to_blame())
    flight->denied = cause{"denied", call.name, 0, 0, enforcer::kernel};
  watch_.call_denied(label_, call.name);
  const auto request = blamed_request();
  watch_.audit(audit_event::call_denied, {tenant_, info_.id, request}, {{"call", call.name}});
  // A worker chooses how often it is told off; the log must not be its to fill.
  auto now = clock_type::now();
  if (now < denial_log_after_)
    return;
  denial_log_after_ = now + denial_log_interval;
  spdlog::warn("session {} of tenant {}: the sandbox refused the system call {} (request {})",
               info_.id, tenant_, call.name, request.empty() ? "unknown" : request);
}

void session_core::maybe_stop() {
  bool served = one_shot_ && info_.executions > 0 && sent_.empty() && parked_.empty()
                && waiting_.empty() && !tracked_;
  if (served && info_.state != session_state::dead)
    return close(reply<done>{}, "closed");
  if (info_.state != session_state::dead)
    return;
  if (!std::exchange(reported_, true)) {
    for (auto& asker : std::exchange(describing_, {}))
      asker.refuse(start_error_ ? *start_error_ : lost_error(info_));
    for (auto& asker : std::exchange(awaiting_files_, {}))
      asker.refuse(start_error_ ? *start_error_ : lost_error(info_));
    std::string why = info_.cause ? info_.cause->what : "";
    if (opened_) // One that never became ready was not counted as live.
      watch_.session_closed(tenant_, label_, why);
    if (opened_ && !one_shot_)
      watch_.audit(audit_event::session_closed, {tenant_, info_.id}, {{"cause", why}});
    ports_.report_end(info_);
  }
  if (worker_gone_)
    ports_.stop();
}

} // namespace vivarium
