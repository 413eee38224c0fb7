// SPDX-License-Identifier: Apache-2.0
#include "actors/execution.hpp"

#include <algorithm>
#include <utility>

namespace vivarium {

namespace {

// What an event costs beyond its data, so that a flood of empty events is bounded too.
constexpr std::size_t event_overhead = 64;
// Most executions begin, perhaps say something, and end.
constexpr std::size_t usual_events = 3;
// Events without content that stay at the front of a log before those behind are moved there: it is
// done so rarely that each event is moved once.
constexpr std::size_t dropped_at_most = 64;

} // namespace

execution::execution(std::string id, std::string session_id, submission request,
                     std::size_t log_bytes)
    : id_{std::move(id)}, session_id_{std::move(session_id)}, request_{std::move(request)},
      max_log_bytes_{log_bytes} {}

void execution::subscribe(std::shared_ptr<follower> who) {
  if (!verdict_)
    followers_.push_back(std::move(who));
}

void execution::unsubscribe(const follower* who) {
  std::erase_if(followers_, [who](const auto& f) { return f.get() == who; });
}

void execution::mark_started(clock_type::time_point when) {
  started_ = when;
  state_ = state::running;
}

void execution::append(event::kind what, std::string data, std::uint64_t count,
                       clock_type::time_point now) {
  if (verdict_)
    return;
  using std::chrono::duration_cast;
  using std::chrono::microseconds;
  log_bytes_ += data.size() + event_overhead;
  if (log_.empty())
    log_.reserve(usual_events);
  log_.push_back(event{++last_sequence_, duration_cast<microseconds>(now - submitted_), what,
                       std::move(data), count});
  // The newest event always stays: a follower must be able to see each one at least once.
  while (log_bytes_ > max_log_bytes_ && log().size() > 1 && log().front().sequence < keep_from_)
    drop_oldest();
  // Nobody waits for "started" alone, and the verdict is announced once it can be read.
  if (what != event::kind::started && what != event::kind::verdict)
    notify();
}

void execution::keep_from(std::uint64_t sequence) noexcept {
  auto before = std::exchange(keep_from_, sequence);
  if (request_.mode == bridge::run_mode::app_request && before != keep_nothing)
    release(sequence == keep_nothing ? before + 1 : before);
}

void execution::release(std::uint64_t from) {
  auto first = first_held();
  auto end = std::min(keep_from_, last_sequence_ + 1);
  for (auto at = std::max(from, first); at < end; ++at) {
    auto& one = log_[dropped_ + static_cast<std::size_t>(at - first)];
    if (one.what != event::kind::items)
      continue;
    log_bytes_ -= one.data.size();
    std::string{}.swap(one.data);
  }
  if (verdict_ || keep_from_ == keep_nothing)
    return; // Others may be reading the log.
  while (
      log().size() > 1 && log().front().sequence < keep_from_
      && (log().front().what == event::kind::items || log().front().what == event::kind::started))
    drop_oldest();
}

void execution::drop_oldest() {
  auto& oldest = log_[dropped_++];
  log_bytes_ -= oldest.data.size() + event_overhead;
  std::string{}.swap(oldest.data);
  if (dropped_ < dropped_at_most || dropped_ < log_.size() / 2)
    return;
  log_.erase(log_.begin(), log_.begin() + static_cast<std::ptrdiff_t>(dropped_));
  dropped_ = 0;
}

void execution::finish(verdict how, clock_type::time_point now) {
  if (verdict_)
    return;
  append(event::kind::verdict, {}, 0, now);
  verdict_ = std::move(how);
  state_ = state::done;
  // One that never began has them still, and is kept for a time.
  drop_source();
  charge = {};
  hold_.release();
  notify();
  followers_.clear();
  if (auto tell = std::exchange(at_end_, nullptr))
    tell();
}

void execution::round_over(std::uint64_t unused_credit) {
  ++rounds_done_;
  credit_unused_ += unused_credit;
  notify();
}

void execution::notify() {
  if (followers_.empty())
    return;
  auto self = shared_from_this();
  if (followers_.size() == 1) {
    auto only = followers_.front();
    only->on_progress(*this);
    return;
  }
  // A follower may leave, or others may come, inside the call.
  auto snapshot = followers_;
  for (const auto& f : snapshot)
    f->on_progress(*this);
}

} // namespace vivarium
