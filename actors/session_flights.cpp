// SPDX-License-Identifier: Apache-2.0

// The part of a session that keeps its worker busy: what it has been sent, in which order it takes
// it up, and what waits inside it.

#include "actors/session_core.hpp"

#include <algorithm>
#include <utility>

namespace vivarium {

using namespace std::chrono_literals;
using std::chrono::duration_cast;
using std::chrono::microseconds;

namespace {

// How much is sent to a worker ahead of its answers: enough for one wake-up to serve many callers,
// little enough that a dying worker takes little with it.
constexpr std::size_t max_sent = 64;
constexpr std::size_t max_unsent_bytes = 256u << 10;
// How many may wait inside the worker before others wait outside.
constexpr std::size_t max_parked = 2'000;

} // namespace

void session_core::dispatch() {
  if (!worker_ || info_.state == session_state::dead)
    return;
  // Of a session that starts, only what its own start waits for is taken up.
  bool starting = info_.state == session_state::starting;
  auto now = clock_type::now();
  // What is within a call goes at once: the call waits for it.
  while (!waiting_.empty()
         && (waiting_.front()->within != 0
             || (!starting && sent_.size() < max_sent && parked_.size() < max_parked
                 && worker_->unsent() < max_unsent_bytes))) {
    if (holds_back(waiting_.front()))
      break;
    auto next = std::move(waiting_.front());
    waiting_.pop_front();
    if (now >= next->submitted() + next->request().timeout) {
      verdict how;
      in_flight never{.what = next, .deadline = {}, .stop = stop_reason::deadline};
      stopped_verdict(how, never, false);
      complete_queued(next, std::move(how));
      continue;
    }
    send(next, now);
    if (info_.state == session_state::dead)
      return;
  }
  unflushed_ = true;
  update_state(now);
}

void session_core::flush() {
  if (!std::exchange(unflushed_, false) || !worker_)
    return;
  switch (worker_->flush()) {
    case worker::write_outcome::complete:
      release_charges();
      end_stalls();
      break;
    case worker::write_outcome::blocked: ports_.watch_output(); break;
    case worker::write_outcome::closed: break; // The answer pipe tells the same, in order.
  }
}

// The worker has it all: it is the worker's memory now. Those that have ended took their charge
// along.
void session_core::release_charges() {
  auto left = std::min(std::exchange(charged_, 0), sent_.size());
  for (auto at = sent_.rbegin(); left > 0; ++at, --left)
    at->what->charge = {};
}

void session_core::send(const execution_ptr& what, clock_type::time_point now) {
  what->number = next_number_++;
  if (what->within != 0 && !blocks(what->within))
    what->within = 0; // The main thread is free for it, or will be.
  const auto& request = what->request();
  auto deadline = what->submitted() + request.timeout;
  const auto traceparent = traceparent_of(request.trace.self);
  bridge::evaluate order{
      .execution = what->number,
      .source = request.source,
      .filename = request.filename,
      .first_line = request.first_line,
      .mode = request.mode,
      .form = request.form,
      .start_before_us = static_cast<std::uint64_t>(
          duration_cast<microseconds>(deadline.time_since_epoch()).count()),
      .max_result_bytes = static_cast<std::uint32_t>(limits_[limit::result]),
      .max_output_bytes = static_cast<std::uint32_t>(limits_[limit::output]),
      .name_space = what->name_space,
      .operands = request.operands,
      .values = what->values,
      .owner = request.owner,
      .stream_credit = request.stream_credit,
      .host = request.connection,
      .within = what->within,
      .request_id = request.request_id,
      .traceparent = traceparent,
  };
  if (auto ok = bridge::append_evaluate(worker_->outgoing(), order); !ok) {
    verdict how;
    how.outcome = verdict::kind::error;
    how.error_kind = static_cast<std::uint32_t>(error_kind::limit);
    how.content = make_error(error_kind::limit, ok.why().detail);
    return complete_queued(what, std::move(how));
  }
  unflushed_ = true;
  what->drop_source();
  load_.begins(now);
  auto place = next_place_++;
  auto* sent = what->within != 0 ? &send_within(what, place, now) : &send_last(what, place);
  if (request.stream_credit > 0) {
    auto& stream = *sent;
    stream.rounds.push_back(round{request.stream_credit, place});
    stream.round_since = now;
    for (auto credit : std::exchange(what->early_rounds, {}))
      add_round(stream, credit);
  }
  for (auto& more : std::exchange(what->early_input, {}))
    send_feed(*what, std::move(more));
  if (sent == &sent_.front())
    start_front(now);
}

session_core::in_flight& session_core::send_last(const execution_ptr& what, std::uint64_t place) {
  ++charged_;
  return sent_.emplace_back(in_flight{
      .what = what, .deadline = what->submitted() + what->request().timeout, .place = place});
}

// Before whatever changes who has the interpreter, or how many wait.
void session_core::charge_loop() {
  if (parked_async_ == 0 || !worker_)
    return;
  auto used = cpu_used().value_or(end_ ? end_->cpu : loop_cpu_);
  if (!front_ran_)
    loop_share_ += std::chrono::nanoseconds{std::max(used - loop_cpu_, microseconds{0})}
                   / static_cast<std::int64_t>(parked_async_);
  loop_cpu_ = used;
}

// One that is parked already, or about to be, says that it waits.
void session_core::count_asynchronous(in_flight& flight) {
  charge_loop();
  if (parked_async_++ == 0)
    loop_cpu_ = cpu_used().value_or(loop_cpu_);
  parked_budgets_ += flight.what->request().cpu_budget > 0ms ? 1 : 0;
  flight.asynchronous = true;
  flight.loop_before = loop_share_;
}

void session_core::start_front(clock_type::time_point now) {
  charge_loop();
  front_ran_ = !sent_.empty();
  if (sent_.empty()) {
    if (parked_budgets_ > 0)
      update_wake();
    // Those that were given up while others ran have the worker for themselves now and must let go.
    for (auto& [number, flight] : parked_) {
      if (!flight.settled)
        continue;
      flight.force_at = now + config_.grace;
      wake_by(flight.force_at);
    }
    return;
  }
  auto& front = sent_.front();
  if (front.settled) {
    front.force_at = now + config_.grace;
    return wake_by(front.force_at);
  }
  if (front.what->request().cpu_budget > 0ms) {
    last_cpu_ = cpu_used().value_or(last_cpu_ + cpu_unread_);
    cpu_unread_ = microseconds{0};
  }
  front.cpu_before = last_cpu_ + cpu_unread_;
  front.running_since = now;
  front.peak_before = peak_seen_;
  if (!front.rounds.empty()) {
    front.round_since = front.running_since;
    wake_by(front.round_since + front.what->request().idle_timeout);
  }
  if (front.what->now() == execution::state::queued) {
    front.what->mark_started(front.running_since);
    if (!front.what->request().internal)
      front.what->append(event::kind::started, {}, 0, now);
  }
  if (front.what->request().cpu_budget > 0ms)
    update_wake();
}

session_core::in_flight* session_core::find(std::uint64_t number) {
  auto it = std::find_if(sent_.begin(), sent_.end(),
                         [number](const auto& f) { return f.what->number == number; });
  if (it != sent_.end())
    return &*it;
  auto parked = parked_.find(number);
  return parked == parked_.end() ? nullptr : &parked->second;
}

bool session_core::is_front(const in_flight& flight) const noexcept {
  return !sent_.empty() && &flight == &sent_.front();
}

session_core::in_flight session_core::take(in_flight& flight) {
  auto place = is_front(flight) ? sent_.begin()
                                : std::find_if(sent_.begin(), sent_.end(),
                                               [&flight](const auto& f) { return &f == &flight; });
  auto taken = std::move(flight);
  if (place != sent_.end()) {
    sent_.erase(place);
  } else if (parked_.erase(taken.what->number) > 0 && taken.asynchronous) {
    charge_loop();
    --parked_async_;
    parked_budgets_ -= taken.what->request().cpu_budget > 0ms ? 1 : 0;
  }
  return taken;
}

void session_core::park(in_flight& flight) {
  bool front = is_front(flight);
  if (front)
    flight.cpu_used += cpu_of(flight, clock_type::now());
  auto waits = take(flight);
  auto number = waits.what->number;
  parked_.emplace(number, std::move(waits));
  if (front)
    start_front();
  update_state();
}

void session_core::add_round(in_flight& flight, std::uint64_t credit) {
  (void)bridge::append_pull(worker_->outgoing(), {flight.what->number, credit});
  unflushed_ = true;
  flight.rounds.push_back(round{credit, next_place_++});
}

void session_core::order_round(in_flight& flight, std::uint64_t credit) {
  add_round(flight, credit);
  if (flight.rounds.size() > 1)
    return;
  flight.round_since = clock_type::now();
  wake_by(flight.round_since + flight.what->request().idle_timeout);
  if (flight.asynchronous || !parked_.contains(flight.what->number))
    return;
  flight.place = flight.rounds.front().place;
  sent_.push_back(take(flight));
  if (sent_.size() == 1)
    start_front();
  update_state();
}

void session_core::end_round(in_flight& flight) {
  auto what = flight.what;
  auto unused = flight.rounds.front().credit;
  flight.rounds.erase(flight.rounds.begin());
  flight.round_bytes = 0;
  flight.round_since = clock_type::now();
  if (!flight.asynchronous) {
    if (flight.rounds.empty()) {
      park(flight);
    } else if (auto place = flight.rounds.front().place; place > flight.place) {
      // Others may stand between this round and the next.
      bool front = is_front(flight);
      if (front)
        flight.cpu_used += cpu_of(flight, clock_type::now());
      auto moved = take(flight);
      moved.place = place;
      auto behind = std::find_if(sent_.begin(), sent_.end(),
                                 [place](const auto& f) { return f.place > place; });
      sent_.insert(behind, std::move(moved));
      if (front)
        start_front();
    }
  }
  what->round_over(unused);
}

void session_core::close_stream(in_flight& flight) {
  (void)bridge::append_pull(worker_->outgoing(), {flight.what->number, 0});
  // What the generator does at its end has as long as any code that is asked to stop.
  // An application may have something to finish that its client does not wait for.
  const auto& request = flight.what->request();
  auto patience = request.mode == bridge::run_mode::app_request
                      ? std::min(request.idle_timeout, config_.stream_idle)
                      : config_.grace;
  flight.deadline = std::min(flight.deadline, clock_type::now() + patience);
  flight.rounds.clear();
  flight.ending = true;
  wake_by(flight.deadline);
  if (flight.asynchronous || !parked_.contains(flight.what->number))
    return;
  flight.place = next_place_++;
  sent_.push_back(take(flight));
  if (sent_.size() == 1)
    start_front();
  update_state();
}

void session_core::interrupt(in_flight& target, stop_reason why) {
  target.stop = why;
  ++stopping_;
  target.force_at = clock_type::now() + config_.grace;
  wake_by(target.force_at);
  ports_.interrupt(worker_number_, target.what->number);
  interrupt_connect(target);
  update_state();
}

void session_core::give_up_on(in_flight& target, bool has_worker) {
  if (has_worker) {
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
  what->finish(std::move(how));
}

void session_core::update_state(clock_type::time_point now) {
  if (info_.state == session_state::dead || info_.state == session_state::starting)
    return;
  auto before = info_.state;
  info_.state = stopping_ > 0                                      ? session_state::interrupting
                : sent_.empty() && parked_async_ == 0 && !tracked_ ? session_state::ready
                                                                   : session_state::busy;
  if (watched_)
    watched_->busy = info_.state != session_state::ready;
  if (share_)
    share_->set_busy(info_.state != session_state::ready);
  if (info_.state == session_state::ready && before != session_state::ready)
    idle_since_ = now;
}

} // namespace vivarium
