// SPDX-License-Identifier: Apache-2.0
#include "daemon/gzip.hpp"
#include "daemon/http_session.hpp"

#include <array>
#include <charconv>
#include <utility>

namespace vivarium {

namespace {

// HTTP's own flow control is all there is.
constexpr std::uint64_t no_credit_known = ~std::uint64_t{0};

} // namespace

void http_session::respond(int status, std::string_view type, std::string body,
                           std::string_view extra) {
  std::string lines{extra};
  if (now_.gzip_answer && body.size() >= gzip_from_bytes && body.size() <= gzip_to_bytes) {
    body = gzip(body);
    lines += "Content-Encoding: gzip\r\n";
  }
  if (now_.gzip_answer)
    lines += "Vary: Accept-Encoding\r\n";
  response_head head;
  head.status = status;
  head.content_type = type;
  head.length = body.size();
  head.request_id = now_.request_id;
  head.date = at_.date;
  head.extra = lines;
  head.keep_alive = now_.keep_alive;
  head.http11 = now_.http11;
  std::string bytes;
  bytes.reserve(256 + (body.size() < 4096 ? body.size() : 0));
  append_head(bytes, head);
  at_.meters.responded(now_.verb, status);
  now_.status = status;
  auto& out = connection_->out();
  if (body.size() < 4096) {
    if (now_.verb != http_verb::head)
      bytes += body;
    out.append(std::move(bytes));
  } else {
    out.append(std::move(bytes));
    if (now_.verb != http_verb::head)
      out.append(std::move(body));
  }
  finish();
}

void http_session::respond_error(int status, const error& why, std::string_view extra) {
  std::string body;
  wire::append_error_json(body, why, now_.request_id);
  std::string lines{extra};
  if (why.code == errc::unauthenticated)
    lines += "WWW-Authenticate: Bearer\r\n";
  if (auto wait = why.quota.retry_after; wait.count() > 0)
    lines += "Retry-After: " + std::to_string(std::chrono::ceil<std::chrono::seconds>(wait).count())
             + "\r\n";
  respond(status != 0 ? status : wire::face_of(why.code).status, "application/json",
          std::move(body), lines);
}

void http_session::reject(int status, const error& why) {
  if (now_.request_id.empty())
    now_.request_id = request_id_of(parser_.request());
  now_.keep_alive = false;
  respond_error(status, why);
}

void http_session::begin_stream() {
  now_.streaming = now_.answering = true;
  response_head head;
  head.content_type = connect::stream_type(now_.codec);
  head.request_id = now_.request_id;
  head.date = at_.date;
  head.extra = "X-Accel-Buffering: no\r\nCache-Control: no-store\r\n";
  // Without chunks the end of the connection is the end of the stream.
  now_.keep_alive = now_.keep_alive && now_.http11;
  head.keep_alive = now_.keep_alive;
  head.http11 = now_.http11;
  std::string bytes;
  append_head(bytes, head);
  at_.meters.responded(now_.verb, 200);
  connection_->out().append(std::move(bytes));
}

void http_session::append_envelope(std::string body, bool last) {
  auto& out = connection_->out();
  std::string head;
  if (now_.http11) {
    std::array<char, 16> digits;
    auto size = connect::envelope_head + body.size();
    auto stop = std::to_chars(digits.data(), digits.data() + digits.size(), size, 16).ptr;
    head.append(digits.data(), stop);
    head += "\r\n";
  }
  connect::append_envelope_head(head, last, body.size());
  out.append(std::move(head));
  out.append(std::move(body));
  if (now_.http11)
    out.append(last ? "\r\n0\r\n\r\n" : "\r\n");
}

void http_session::ready(std::uint64_t tag) {
  // Inside `begin` the call is not known yet; it is pumped right after.
  if (tag == tag_ && connection_ != nullptr && now_.call)
    pump();
}

void http_session::pump() {
  auto call = now_.call;
  while (call && connection_ != nullptr && !connection_->congested()) {
    auto item = call->next(no_credit_known);
    if (!item)
      break;
    if (!*item) {
      call->abandon();
      refuse(tag_, std::move(*item).why());
      return;
    }
    append_envelope(std::move((*item)->body), false);
  }
  if (connection_ == nullptr)
    return;
  if (call && call->ended() && now_.call == call) {
    told(nullptr);
    end_stream(connect::end_of_stream());
    return;
  }
  // Many events come in one turn of the reactor: they leave in one write.
  connection_->flush_soon();
}

void http_session::end_stream(std::string last) {
  append_envelope(std::move(last), true);
  finish();
}

void http_session::finish() {
  trace_route();
  ++tag_;
  if (timer_)
    timer_->cancel();
  bool keep = now_.keep_alive && !at_.draining;
  bool waited = now_.answering;
  now_ = exchange{};
  judged_ = false;
  parser_.restart();
  phase_since_ = clock_type::now();
  if (!keep) {
    last_ = true;
    connection_->close_when_flushed();
    return;
  }
  if (!waited)
    return; // Still inside `on_input`, which writes.
  connection_->flush();
  if (connection_ != nullptr)
    connection_->resume_reading();
}

} // namespace vivarium
