// SPDX-License-Identifier: Apache-2.0
#include "daemon/http_session.hpp"

#include "daemon/key_file.hpp"
#include "daemon/ws_session.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace vivarium {

namespace {

constexpr std::size_t large_body = 64u << 10;
// A body that is taken in pieces needs no more room than one of them.
constexpr std::size_t large_piece = 256u << 10;

// Whoever asks may call a method anything; a collector is told of those that there are.
std::string_view known_method(std::string_view given) noexcept {
  constexpr std::array<std::string_view, 9> all{"GET",   "HEAD",    "POST",  "PUT",    "DELETE",
                                                "PATCH", "OPTIONS", "TRACE", "CONNECT"};
  return std::find(all.begin(), all.end(), given) != all.end() ? given : "_OTHER";
}

} // namespace

http_session::http_session(connection& on, endpoint& at)
    : connection_{&on}, at_{at}, parser_{at.limits.http}, phase_since_{clock_type::now()} {}

bool http_session::wants_input() const noexcept {
  // While a request is being answered some of later ones is taken from the kernel, so that a close
  // behind them is noticed.
  return !deferred_ && (!now_.answering || taking_body() || backlog_ < at_.limits.marks.read_high);
}

void http_session::on_input(byte_buffer& in) {
  bool head = false; // has just come: there may be something to say before any of the body
  while (connection_ != nullptr && !connection_->closed() && (head || !in.empty()) && !deferred_
         && !last_ && (taking_body() || (!now_.answering && !connection_->congested()))) {
    if (!seat_.enter()) {
      deferred_ = true;
      seat_.wait(connection_->weak_from_this());
      break;
    }
    bool fresh = !parser_.begun();
    if (fresh)
      phase_since_ = clock_type::now();
    std::size_t used = 0;
    auto progress = parser_.feed(in.view(), used);
    in.consume(used);
    seat_.charge(used / bytes_per_turn);
    head = progress == http_parser::progress::head;
    if (now_.pieces) {
      pass_body(progress);
      if (progress == http_parser::progress::need_more)
        break;
      continue;
    }
    if (progress == http_parser::progress::need_more)
      break;
    if (progress == http_parser::progress::refused) {
      auto status = parser_.status();
      reject(status, error{status == 400 ? errc::invalid_argument : errc::too_large,
                           std::string{parser_.reason()}});
      return;
    }
    auto tag = tag_;
    if (!judged_ && !judge_head())
      return;
    if (tag != tag_)
      head = false; // Has been answered already.
    else if (now_.pieces)
      pass_body(progress);
    else if (progress == http_parser::progress::complete)
      serve();
  }
  if (connection_ == nullptr)
    return;
  backlog_ = in.size();
  // Requests that came in one read and could be answered at once are answered in one write.
  if (!connection_->closed() && !connection_->out().empty())
    connection_->flush();
}

bool http_session::judge_head() {
  judged_ = true;
  phase_since_ = clock_type::now();
  auto& request = parser_.request();
  now_.verb = request.verb;
  now_.http11 = request.http11;
  now_.keep_alive = request.keep_alive && !at_.draining;
  now_.request_id = request_id_of(request);
  now_.trace = at_.tracing.enter(trace_context_of(request));
  // Nothing is recorded of who is not let in.
  bool recorded = std::exchange(now_.trace.recorded, false);
  for (auto* route : at_.routes)
    if (now_.route == nullptr && route->takes(request))
      now_.route = route;
  auto ok =
      now_.route != nullptr ? now_.route->check(request, at_.access) : at_.access.check(request);
  if (!ok) {
    reject(0, ok.why());
    return false;
  }
  if (!let_in())
    return false;
  // A stranger does not decide what is recorded either.
  now_.trace.recorded = now_.who.tenant.empty() ? at_.tracing.enter({}).recorded : recorded;
  if (request.count("expect") > 0 && !request.expects_continue) {
    reject(417, error{errc::invalid_argument, "the only expectation known is 100-continue"});
    return false;
  }
  if (now_.route != nullptr)
    return begin_pieces();
  if (auto announced = parser_.missing();
      request.expects_continue && announced > at_.limits.http.body_bytes) {
    reject(413, wire::too_many_bytes("the request's body", announced, at_.limits.http.body_bytes,
                                     "server.body_bytes"));
    return false;
  }
  if (request.expects_continue && request.http11 && parser_.head_done()) {
    connection_->out().append("HTTP/1.1 100 Continue\r\n\r\n");
    connection_->flush();
  }
  return connection_ != nullptr;
}

// Before any of the body is taken: a stranger shall not have the daemon keep 64 MiB.
bool http_session::let_in() {
  const auto& request = parser_.request();
  auto path = request.path();
  bool metrics = path == "/metrics" && at_.show_metrics;
  if (now_.route != nullptr)
    metrics = false;
  else if (path == "/healthz" || path == "/readyz" || (metrics && connection_->other_side().local))
    return true;
  if (admits_stranger())
    return true;
  auto who = at_.auth.identify(request, connection_->other_side(), now_.request_id);
  if (!who) {
    reject(0, who.why());
    return false;
  }
  now_.who = *std::move(who);
  if (auto room = seat(now_.who.tenant); !room) {
    reject(0, room.why());
    return false;
  }
  if (metrics && now_.who.what != role::admin) {
    reject(0, error{errc::permission_denied, "/metrics needs a key with the role admin"});
    return false;
  }
  if (const auto& key = now_.who.key.id; !key.empty() && key != seen_key_) {
    seen_key_ = key;
    at_.meters.audit(audit_event::key_used, {now_.who.tenant, {}, now_.request_id}, {{"key", key}});
  }
  return true;
}

// Who shows a key of ours means it, whatever is open.
bool http_session::admits_stranger() const {
  const auto& request = parser_.request();
  if (now_.route == nullptr || !at_.auth.asks() || !now_.route->open_to_strangers(request))
    return false;
  auto shown = bearer_of(request.header("authorization"));
  return !shown || !parse_key(*shown);
}

/// Counts the connection as one of the tenant's.
status http_session::seat(const std::string& tenant) {
  if (seated_ == tenant)
    return done{};
  auto room = at_.calls.core.admit_connection(tenant, now_.request_id);
  if (!room)
    return std::move(room).why();
  room_ = *std::move(room);
  seat_ = at_.shares.sit_with(tenant);
  seated_ = tenant;
  return done{};
}

void http_session::serve() {
  auto path = parser_.request().path();
  now_.started = clock_type::now();
  bool get = now_.verb == http_verb::get || now_.verb == http_verb::head;
  if (const auto* method = rpc::find_by_path(path)) {
    now_.method = method;
    serve_method();
  } else if (path == "/v1/ws") {
    upgrade();
  } else if (path != "/healthz" && path != "/readyz" && (path != "/metrics" || !at_.show_metrics)) {
    bool api = path.find("vivarium.v1.") != std::string_view::npos;
    respond_error(404, error{api ? errc::unimplemented : errc::not_found,
                             api ? "there is no such method" : "there is nothing at this path"});
  } else if (!get) {
    respond_error(405, error{errc::invalid_argument, "use GET"}, "Allow: GET, HEAD\r\n");
  } else if (path == "/metrics") {
    serve_metrics();
  } else if (path == "/healthz") {
    respond(200, "text/plain; charset=utf-8", "ok\n");
  } else if (at_.calls.core.ready() && !at_.draining && !at_.calls.core.drained()) {
    std::string text = "ok\n";
    for (const auto& [name, trouble] : at_.calls.core.environment_troubles())
      text.append("environment '" + name + "' cannot start: ").append(trouble).append("\n");
    respond(200, "text/plain; charset=utf-8", text);
  } else {
    auto why = at_.draining               ? std::string{"draining"}
               : at_.calls.core.drained() ? std::string{"drained by an administrator"}
                                          : at_.calls.core.trouble();
    respond(503, "text/plain; charset=utf-8", (why.empty() ? "starting" : why) + "\n");
  }
}

void http_session::serve_metrics() {
  now_.answering = true;
  auto text = std::make_shared<std::string>();
  at_.calls.aside.run([text, read = at_.meters.reading()] { *text = read(); },
                      [self = shared_from_this(), tag = tag_, text] {
                        if (tag == self->tag_ && self->connection_ != nullptr)
                          self->respond(200, "text/plain; version=0.0.4; charset=utf-8",
                                        std::move(*text));
                      });
}

void http_session::serve_method() {
  struct reading {
    connect::request asked;
    std::optional<connect::refusal> no;
  };
  auto one = std::make_shared<reading>();
  // The request stays as it is until it has been answered.
  auto read = [one, &http = parser_.request(), method = now_.method,
               most = at_.limits.http.body_bytes] {
    one->no = method->stream ? connect::read_stream(one->asked, http, most)
                             : connect::read_unary(one->asked, http, *method, most);
  };
  auto go_on = [this, one] {
    if (now_.method->stream)
      serve_stream(one->asked, std::move(one->no));
    else
      serve_call(one->asked, std::move(one->no));
  };
  const auto& http = parser_.request();
  bool packed = http.count("content-encoding") + http.count("connect-content-encoding") > 0;
  if (!packed || http.body.size() < long_gzip) {
    read();
    go_on();
    return;
  }
  now_.answering = true;
  at_.calls.aside.run(read, [self = shared_from_this(), tag = tag_, go_on] {
    if (tag == self->tag_ && self->connection_ != nullptr)
      go_on();
  });
}

void http_session::serve_call(const connect::request& asked, std::optional<connect::refusal> no) {
  now_.codec = asked.codec;
  now_.gzip_answer = asked.gzip_answer;
  if (no)
    respond_error(no->status, no->why, no->extra);
  else
    begin_call(asked);
}

void http_session::serve_stream(const connect::request& asked, std::optional<connect::refusal> no) {
  now_.codec = asked.codec;
  if (no && no->status != 0) {
    respond_error(no->status, no->why, no->extra);
    return;
  }
  begin_stream();
  if (no)
    refuse(tag_, std::move(no->why));
  else
    begin_call(asked);
}

void http_session::begin_call(const connect::request& asked) {
  now_.answering = true;
  auto tag = tag_;
  if (asked.timeout)
    arm_timeout(asked.timeout);
  rpc::question question{now_.method->id,
                         asked.codec,
                         asked.codec,
                         now_.who.tenant,
                         now_.request_id,
                         asked.message,
                         now_.who.what == role::admin};
  question.key = now_.who.key.id;
  question.trace = now_.trace;
  auto call = rpc::begin(at_.calls, question, shared_from_this(), tag);
  if (tag != tag_ || connection_ == nullptr)
    return; // The outcome has been told already.
  if (call && !call->preparing())
    let_go_of_body();
  now_.call = std::move(call);
  if (now_.streaming)
    pump();
}

// The call has taken what it needs, and may run for long.
void http_session::let_go_of_body() {
  if (auto& body = parser_.request().body; body.capacity() > large_body)
    std::string{}.swap(body);
}

// The next request waits for the answer anyway.
void http_session::prepared(std::uint64_t tag) {
  if (tag == tag_ && connection_ != nullptr)
    let_go_of_body();
}

std::size_t http_session::expected_input() const noexcept {
  return now_.pieces ? std::min(parser_.missing(), large_piece) : parser_.missing();
}

void http_session::upgrade() {
  auto joined = ws_session::accept(parser_.request(), now_.request_id);
  if (joined.status != 101) {
    respond_error(joined.status, joined.why, joined.extra);
    return;
  }
  if (at_.draining) {
    respond_error(0, error{errc::unavailable, "the daemon is draining"});
    return;
  }
  hand_over(joined.extra, [&](connection& on, guest client) {
    return std::make_shared<ws_session>(on, at_, joined, std::move(client),
                                        trace_context_of(parser_.request()));
  });
}

std::size_t http_session::held_input() const noexcept {
  return now_.answering ? 0 : parser_.request().body.size();
}

void http_session::on_overload() {
  if (connection_ != nullptr && !now_.answering)
    reject(503, error{errc::unavailable,
                      "the daemon holds too much of requests that have not arrived yet "
                      "(server.arriving_bytes); try again in a moment"});
}

void http_session::on_drained() {
  if (auto handler = now_.pieces ? now_.pieces->handler_ : nullptr)
    handler->on_room();
  if (now_.streaming)
    pump();
}

void http_session::on_closed() {
  connection_ = nullptr;
  room_.release();
  seat_ = {};
  timer_.reset();
  if (now_.pieces)
    trace_route();
  if (auto handler = release_pieces())
    handler->on_gone(error{errc::cancelled, "the client closed the connection"});
  if (auto call = std::exchange(now_.call, nullptr)) {
    error gone{errc::cancelled, "the client closed the connection"};
    told(&gone);
    call->abandon();
  }
}

void http_session::on_recheck() {
  // A stranger has no key that could end.
  if (!now_.answering || now_.who.tenant.empty() || at_.auth.still(now_.who))
    return;
  if (now_.pieces) {
    spoil(0, key_is_gone());
    return;
  }
  auto call = std::exchange(now_.call, nullptr);
  now_.keep_alive = false;
  refuse(tag_, key_is_gone());
  if (call)
    call->abandon();
}

void http_session::on_sweep(clock_type::time_point now) {
  if (now_.answering) {
    on_recheck();
    if (now_.pieces)
      sweep_pieces(now);
    return;
  }
  const auto& limits = at_.limits;
  // Who has not said who they are has no claim to a place.
  bool stranger = at_.auth.asks() && seated_.empty();
  auto allowed = !parser_.begun()      ? (stranger ? limits.header_timeout : limits.idle_timeout)
                 : parser_.head_done() ? limits.body_timeout
                                       : limits.header_timeout;
  if (now - phase_since_ <= allowed)
    return;
  if (!parser_.begun())
    connection_->close();
  else
    reject(408, error{errc::deadline_exceeded, "the request did not arrive in time"});
}

void http_session::on_stopping(stopping how) {
  now_.keep_alive = false;
  if (how == stopping::now || (!now_.answering && !parser_.begun()))
    connection_->close_when_flushed();
}

void http_session::answer(std::uint64_t tag, std::string body) {
  if (tag != tag_ || connection_ == nullptr)
    return;
  told(nullptr);
  respond(200, connect::unary_type(now_.codec), std::move(body));
}

void http_session::refuse(std::uint64_t tag, error why) {
  if (tag != tag_ || connection_ == nullptr)
    return;
  told(&why);
  if (now_.streaming)
    end_stream(connect::end_of_stream(why, now_.request_id));
  else
    respond_error(0, why);
}

void http_session::told(const error* why) {
  auto took = clock_type::now() - now_.started;
  at_.meters.call_ended(now_.method->id, why != nullptr ? wire::face_of(why->code).code : "ok",
                        took);
  log_call(at_, carrier::http, *now_.method, now_.request_id, now_.who.tenant, now_.trace.self, why,
           took);
  trace_call(at_, carrier::http, *now_.method, now_.request_id, now_.who.tenant, now_.trace, why,
             now_.started);
}

// Neither path nor query: both may hold what is a secret between the client and an application.
void http_session::trace_route() {
  if (now_.route == nullptr || !now_.trace.recorded)
    return;
  auto status = std::exchange(now_.status, 0);
  std::string_view trouble = status == 0 ? "cancelled" : status >= 500 ? "server_error" : "";
  auto route = now_.route->name();
  auto method = known_method(parser_.request().method());
  std::string name{method};
  name.append(" ").append(route);
  at_.tracing.tell(now_.trace,
                   {.name = name,
                    .kind = span_kind::server,
                    .from = now_.started,
                    .to = clock_type::now(),
                    .trouble = trouble},
                   {{"http.request.method", method},
                    {"http.response.status_code", std::int64_t{status}},
                    {"http.route", route},
                    {"url.scheme",
                     connection_ != nullptr && connection_->other_side().secure ? "https" : "http"},
                    {"vivarium.tenant", now_.who.tenant},
                    {"vivarium.request.id", now_.request_id}});
  now_.trace.recorded = false;
}

void http_session::arm_timeout(const std::optional<std::chrono::milliseconds>& timeout) {
  if (!timer_)
    timer_.emplace(at_.calls.executor);
  timer_->expires_after(*timeout);
  timer_->async_wait([weak = weak_from_this(), tag = tag_](const boost::system::error_code& why) {
    auto self = weak.lock();
    if (!self || why || tag != self->tag_ || self->connection_ == nullptr)
      return;
    auto call = std::exchange(self->now_.call, nullptr);
    self->refuse(tag, error{errc::deadline_exceeded, "the time given by Connect-Timeout-Ms is up"});
    if (call)
      call->abandon();
  });
}

} // namespace vivarium
