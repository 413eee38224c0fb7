// SPDX-License-Identifier: Apache-2.0
#include "daemon/http_session.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace vivarium {

namespace {

// Beside `body_timeout` without any byte: whoever sends less than this over a time holds a place
// for nothing.
constexpr std::uint64_t slowest_bytes_per_second = 1024;

std::chrono::milliseconds earned_by(std::size_t bytes) {
  return std::chrono::milliseconds{bytes * 1000 / slowest_bytes_per_second};
}

} // namespace

bool http_session::taking_body() const noexcept {
  return now_.pieces && !now_.pieces->body_done_ && !now_.pieces->held_;
}

bool http_session::begin_pieces() {
  const auto& request = parser_.request();
  auto most = now_.route->most_body(request, now_.who.tenant, at_.limits);
  parser_.take_pieces(most);
  now_.answering = true;
  now_.started = clock_type::now();
  auto pieces = std::make_shared<streamed_exchange>(*this);
  now_.pieces = pieces;
  pieces->body_due_ = now_.started + at_.limits.body_timeout;
  if (request.body_size > most) {
    pieces->fail(wire::too_many_bytes("the request's body", request.body_size, most,
                                      now_.route->most_body_setting()),
                 413);
  } else {
    auto handler = now_.route->begin(pieces);
    if (!handler) {
      pieces->fail(error{errc::internal, "nobody serves this request"});
    } else if (!pieces->over()) {
      pieces->handler_ = std::move(handler);
      invite_body();
    }
  }
  return connection_ != nullptr;
}

// Who asked waits for it with the body, or for an answer that makes the body needless.
void http_session::invite_body() {
  auto& request = parser_.request();
  if (!taking_body() || now_.pieces->begun_ || !request.expects_continue || !request.http11)
    return;
  request.expects_continue = false;
  if (parser_.complete())
    return;
  connection_->out().append("HTTP/1.1 100 Continue\r\n\r\n");
  connection_->flush();
}

void http_session::pass_body(http_parser::progress how_far) {
  auto pieces = now_.pieces;
  auto handler = pieces->handler_;
  if (how_far == http_parser::progress::refused) {
    spoil(parser_.status(),
          error{parser_.status() == 400 ? errc::invalid_argument : errc::too_large,
                std::string{parser_.reason()}});
    return;
  }
  if (auto bytes = std::exchange(parser_.request().body, {}); !bytes.empty()) {
    pieces->body_due_ = std::min(pieces->body_due_ + earned_by(bytes.size()),
                                 clock_type::now() + at_.limits.body_timeout);
    handler->on_body(std::move(bytes));
  }
  if (how_far == http_parser::progress::complete && !pieces->over()) {
    pieces->body_done_ = true;
    handler->on_body_end();
  }
}

void http_session::sweep_pieces(clock_type::time_point now) {
  if (taking_body() && now > now_.pieces->body_due_)
    spoil(408, error{errc::deadline_exceeded, "the request's body did not arrive in time"});
}

/// Ends an exchange that cannot go on, whoever serves it.
void http_session::spoil(int status, const error& why) {
  bool begun = now_.pieces->begun_;
  auto handler = release_pieces();
  if (begun)
    connection_->close();
  else
    reject(status, why);
  if (handler)
    handler->on_gone(why);
}

std::shared_ptr<streamed_handler> http_session::release_pieces() {
  auto pieces = std::exchange(now_.pieces, nullptr);
  if (!pieces)
    return nullptr;
  pieces->session_ = nullptr;
  return std::exchange(pieces->handler_, nullptr);
}

// The client sees a connection that ends too early, not a short answer.
void http_session::break_off() {
  auto handler = release_pieces(); // It may be among the callers.
  connection_->close();
}

void http_session::begin_answer(streamed_exchange& of, int status, std::string_view lines,
                                std::optional<std::uint64_t> length) {
  if (status == 205)
    length = 0; // Unlike those of the others, its end is where the length says.
  of.begun_ = true;
  now_.status = status;
  of.left_ = length;
  of.bodiless_ = now_.verb == http_verb::head || status == 204 || status == 205 || status == 304;
  if (!length && !of.bodiless_)
    now_.keep_alive =
        now_.keep_alive && now_.http11; // The end of the connection is that of the body.
  response_head head;
  head.status = status;
  head.length = status == 204 ? std::nullopt : length;
  head.request_id = now_.request_id;
  head.date = at_.date;
  head.extra = lines;
  head.keep_alive = now_.keep_alive;
  head.http11 = now_.http11;
  head.bodiless = of.bodiless_;
  std::string bytes;
  append_head(bytes, head);
  at_.meters.responded(now_.verb, status);
  connection_->out().append(std::move(bytes));
  connection_->flush_soon();
}

void http_session::write_answer(streamed_exchange& of, std::string bytes) {
  if (of.bodiless_ || bytes.empty())
    return;
  auto& out = connection_->out();
  if (of.left_) {
    if (bytes.size() > *of.left_) {
      break_off();
      return;
    }
    *of.left_ -= bytes.size();
    out.append(std::move(bytes));
  } else if (now_.http11) {
    std::array<char, 18> head;
    auto* stop = std::to_chars(head.data(), head.data() + 16, bytes.size(), 16).ptr;
    *stop++ = '\r';
    *stop++ = '\n';
    out.append(std::string_view{head.data(), static_cast<std::size_t>(stop - head.data())});
    out.append(std::move(bytes));
    out.append("\r\n");
  } else {
    out.append(std::move(bytes));
  }
  connection_->flush_soon();
}

void http_session::end_answer(streamed_exchange& of) {
  if (!of.bodiless_ && of.left_.value_or(0) > 0) {
    break_off();
    return;
  }
  if (!of.bodiless_ && !of.left_ && now_.http11)
    connection_->out().append("0\r\n\r\n");
  // What is still to come of the body is nobody's.
  now_.keep_alive = now_.keep_alive && parser_.complete();
  auto handler = release_pieces();
  finish();
}

void http_session::fail_answer(const streamed_exchange& of, const error& why, int status) {
  if (of.begun_) {
    break_off();
    return;
  }
  now_.keep_alive = now_.keep_alive && parser_.complete();
  auto handler = release_pieces();
  respond_error(status, why);
}

void http_session::hand_over(
    std::string_view lines,
    const std::function<std::shared_ptr<conversation>(connection&, guest)>& make) {
  response_head head;
  head.status = 101;
  head.request_id = now_.request_id;
  head.date = at_.date;
  head.extra = lines;
  std::string bytes;
  append_head(bytes, head);
  at_.meters.responded(now_.verb, 101);
  now_.status = 101;
  trace_route();
  connection_->out().append(bytes);
  auto next = make(*connection_, guest{std::move(now_.who), std::move(room_), std::move(seat_)});
  auto* on = std::exchange(connection_, nullptr);
  on->speak(std::move(next));
  on->flush();
}

const http_request& streamed_exchange::request() const noexcept {
  return session_->parser_.request();
}
const identity& streamed_exchange::who() const noexcept {
  return session_->now_.who;
}
const std::string& streamed_exchange::request_id() const noexcept {
  return session_->now_.request_id;
}
const trace_place& streamed_exchange::trace() const noexcept {
  return session_->now_.trace;
}
const peer& streamed_exchange::other_side() const noexcept {
  return session_->connection_->other_side();
}
const network_limits& streamed_exchange::limits() const noexcept {
  return session_->at_.limits;
}

status streamed_exchange::sit_with(const std::string& tenant) {
  return session_ != nullptr ? session_->seat(tenant) : done{};
}

void streamed_exchange::hold() noexcept {
  if (!std::exchange(held_, true))
    held_since_ = clock_type::now();
}

void streamed_exchange::resume() {
  if (!std::exchange(held_, false) || session_ == nullptr)
    return;
  body_due_ += clock_type::now() - held_since_;
  session_->invite_body();
  if (session_ != nullptr)
    session_->connection_->resume_reading();
}

void streamed_exchange::begin(int status, std::string_view lines,
                              std::optional<std::uint64_t> length) {
  if (session_ != nullptr && !begun_)
    session_->begin_answer(*this, status, lines, length);
}

void streamed_exchange::write(std::string bytes) {
  if (session_ != nullptr && begun_)
    session_->write_answer(*this, std::move(bytes));
}

void streamed_exchange::end() {
  if (session_ != nullptr && begun_)
    session_->end_answer(*this);
}

void streamed_exchange::fail(const error& why, int status) {
  if (session_ != nullptr)
    session_->fail_answer(*this, why, status);
}

void streamed_exchange::answer(int status, std::string_view lines, std::string body) {
  begin(status, lines, body.size());
  write(std::move(body));
  end();
}

bool streamed_exchange::full() const noexcept {
  return session_ != nullptr && session_->connection_->congested();
}

void streamed_exchange::hand_over(
    std::string_view lines,
    const std::function<std::shared_ptr<conversation>(connection&, guest)>& make) {
  auto* in = session_;
  if (in == nullptr || begun_)
    return;
  auto handler = in->release_pieces();
  in->hand_over(lines, make);
}

} // namespace vivarium
