// SPDX-License-Identifier: Apache-2.0

// The part of a session that listens to its worker. Whatever comes is an attacker's until it has
// been checked; what does not fit the session's state ends the session.

#include "actors/session_core.hpp"
#include "bridge/raw_memory.hpp"
#include "bridge/validate.hpp"
#include "sandbox/attest.hpp"

#include <algorithm>
#include <utility>

namespace vivarium {

namespace {

// Reads per turn, so that a worker that never stops talking cannot hold the reactor.
constexpr int reads_per_turn = 16;
// How much more than the limit a worker may send before the daemon cuts by itself: what one flush
// of its capture holds.
constexpr std::size_t output_slack = 64u << 10;
// How long the reaper may take to tell how a worker ended after its channel has closed.
constexpr auto reap_patience = std::chrono::seconds{2};

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
  end_stalls();
  on_mail();
  dispatch();
}

bool session_core::handle(const bridge::frame& frame) {
  switch (frame.type) {
    case bridge::frame_type::output: return handle_output(frame.body);
    case bridge::frame_type::display: return handle_display(frame.body);
    case bridge::frame_type::finished: return handle_finished(frame.body);
    case bridge::frame_type::items: return handle_items(frame.body);
    case bridge::frame_type::parked: return handle_parked(frame.body);
    case bridge::frame_type::host_call: return handle_host_call(frame.body);
    case bridge::frame_type::host_drop: return handle_host_drop(frame.body);
    case bridge::frame_type::note: return handle_note(frame.body);
    case bridge::frame_type::app_taken: return handle_app_taken(frame.body);
    case bridge::frame_type::pong: return handle_pong(frame.body);
    case bridge::frame_type::app_input:
    case bridge::frame_type::host_result:
    case bridge::frame_type::pull:
    case bridge::frame_type::hello:
    case bridge::frame_type::evaluate: break;
  }
  violated("a frame that does not belong here");
  return false;
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
  if (flight->output_seen > limits_[limit::output] + output_slack) {
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
  if (flight->settled)
    return true;
  if (flight->displays >= limits_[limit::displays]
      || flight->display_bytes + message->content.size() > limits_[limit::display]) {
    ++flight->displays_dropped;
    return true;
  }
  ++flight->displays;
  flight->display_bytes += message->content.size();
  flight->what->append(event::kind::display, std::string{message->content});
  return true;
}

bool session_core::handle_items(std::string_view body) {
  auto message = bridge::decode_items(body);
  auto* flight = message ? find(message->execution) : nullptr;
  if (flight == nullptr) {
    violated(message ? "items for an execution that does not run" : message.why().detail);
    return false;
  }
  if (flight->settled || flight->ending)
    return true; // It may have been in the middle of a round when it was told to end.
  if (flight->rounds.empty() || message->count > flight->rounds.front().credit) {
    violated("items that nobody asked for");
    return false;
  }
  bool as_repr = flight->what->request().form == bridge::value_form::repr;
  if (auto ok = bridge::validate_items(message->content, message->count, as_repr); !ok) {
    violated(ok.why().detail);
    return false;
  }
  flight->rounds.front().credit -= message->count;
  flight->round_bytes += message->content.size();
  flight->round_since = clock_type::now();
  if (flight->what->request().socket_timeout.count() > 0) {
    flight->what->settle_down();
    flight->deadline = flight->round_since + flight->what->request().timeout;
  }
  flight->what->append(event::kind::items, std::string{message->content}, message->count);
  if (flight->rounds.front().credit == 0 || flight->round_bytes >= bridge::stream_round_bytes)
    end_round(*flight);
  return true;
}

bool session_core::handle_parked(std::string_view body) {
  auto message = bridge::decode_parked(body);
  auto* flight = message ? find(message->execution) : nullptr;
  // An asynchronous generator may have used up its first credit before the worker says that it is
  // one.
  bool between_rounds = flight != nullptr && parked_.contains(message->execution);
  if (flight == nullptr || flight->asynchronous
      || (between_rounds && flight->what->request().stream_credit == 0)) {
    violated(message ? "an execution waits that does not run" : message.why().detail);
    return false;
  }
  if (flight->what->now() == execution::state::queued)
    flight->what->mark_started(clock_type::now());
  if (!between_rounds)
    park(*flight);
  count_asynchronous(*find(message->execution));
  update_state();
  update_wake();
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

// How much an execution wrote is the worker's word, since what is over the limit never comes here.
// Made up, it would spoil the operator's sums, so there is a rate that is not believed. It is far
// above what memory carries: what is cut is not copied, only counted.
std::uint64_t session_core::most_output_of(const in_flight& flight) {
  constexpr std::int64_t bytes_per_ns = 256;
  auto ran = clock_type::now() - flight.what->submitted();
  return flight.output_seen
         + static_cast<std::uint64_t>(
             std::chrono::duration_cast<std::chrono::nanoseconds>(ran).count() * bytes_per_ns);
}

std::optional<verdict> session_core::verdict_from(const in_flight& flight,
                                                  const bridge::finished& message) {
  using outcome = bridge::finished::outcome;
  verdict how;
  how.output_truncated = message.output_truncated || flight.output_cut;
  how.usage.output_bytes = std::min(message.output_bytes, most_output_of(flight));
  how.displays_dropped = flight.displays_dropped;
  status fine = done{};
  switch (message.kind) {
    case outcome::value:
      fine = bridge::validate_value(message.content);
      how.outcome = verdict::kind::value;
      bridge::make_room(how.content, message.content.size());
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
    case outcome::expired:
      // A cause is the daemon's word. The worker may only say what its own clock told it.
      if (flight.stop == stop_reason::none && !flight.settled
          && clock_type::now() < flight.what->submitted() + flight.what->request().timeout) {
        violated("an execution expired before its time");
        return std::nullopt;
      }
      how.outcome = verdict::kind::error;
      break;
  }
  if (!fine) {
    violated(fine.why().detail);
    return std::nullopt;
  }
  if (message.content.size() > limits_[limit::result] + output_slack) {
    violated("a result over the limit");
    return std::nullopt;
  }
  if (flight.stop != stop_reason::none || message.kind == outcome::expired)
    stopped_verdict(how, flight, false);
  else if (how.outcome == verdict::kind::error)
    how.error_kind = static_cast<std::uint32_t>(kind_of_error(how.content));
  return how;
}

} // namespace vivarium
