// SPDX-License-Identifier: Apache-2.0
#include "daemon/app_conversation.hpp"

#include "actors/app_registry.hpp"
#include "bridge/natural.hpp"
#include "daemon/app_socket.hpp"
#include "daemon/key_file.hpp"

#include <algorithm>
#include <utility>

namespace vivarium {

namespace {

using part_kind = app_part::part_kind;
using input_kind = bridge::app_input::input_kind;

// A body of no more goes to the application together with the head.
constexpr std::size_t short_body = 64u << 10;

bool is_bodiless(int status) noexcept {
  return status == 204 || status == 205 || status == 304;
}

} // namespace

app_conversation::app_conversation(service& core, authenticator& auth,
                                   std::shared_ptr<streamed_exchange> exchange, app_place at)
    : core_{core}, auth_{auth}, exchange_{std::move(exchange)}, at_{std::move(at)} {}

bool app_conversation::wants_socket() const {
  const auto& request = exchange_->request();
  return request.upgrade && request.http11 && request.verb == http_verb::get
         && app_socket::is_asked_for(request);
}

void app_conversation::begin(const app_info& app, std::string_view raw_path) {
  app_ = app.id;
  tenant_ = app.tenant;
  path_ = raw_path;
  most_body_ = app.limits.body_bytes;
  const auto& request = exchange_->request();
  bool chunked = request.count("transfer-encoding") > 0;
  socket_ = wants_socket();
  if (socket_ && (chunked || request.body_size > 0)) { // Its messages follow the answer.
    asked_ = true;
    return fail(400, "the handshake of a WebSocket has no body");
  }
  gather_ = !chunked && request.body_size <= short_body;
  if (!chunked && request.body_size == 0)
    ask(false);
}

void app_conversation::ask(bool more) {
  asked_ = true;
  const auto& request = exchange_->request();
  bridge::app_request what;
  what.kind =
      socket_ ? bridge::app_request::protocol::websocket : bridge::app_request::protocol::http;
  what.method = request.method();
  what.version = request.http11 ? "1.1" : "1.0";
  what.raw_path = path_;
  what.query = request.query();
  what.root_path = at_.prefix;
  what.body = body_;
  what.more_body = more;
  request.for_each_header([&what](std::string_view name, std::string_view value) {
    // The key is between the client and the daemon.
    if (name == "authorization")
      if (auto shown = bearer_of(value); shown && parse_key(*shown))
        return;
    what.headers.emplace_back(name, value);
  });
  const auto& peer = exchange_->other_side();
  what.client_host = peer.address;
  what.client_port = peer.port;
  what.scheme = peer.secure ? "https" : "http";
  auto host = request.header("host");
  auto colon = host.rfind(':');
  bool port = colon != std::string_view::npos && host.find(']', colon) == std::string_view::npos;
  what.server_host = port ? host.substr(0, colon) : host;
  what.server_port = static_cast<std::uint16_t>(
      port          ? std::strtoul(std::string{host.substr(colon + 1)}.c_str(), nullptr, 10)
      : peer.secure ? 443
                    : 80);
  auto asked = core_.apps().ask(app_, what, exchange_->request_id(), exchange_->trace().child(),
                                [weak = weak_from_this()] {
                                  if (auto self = weak.lock())
                                    self->changed();
                                });
  std::string{}.swap(body_);
  if (!asked) {
    fail(503, asked.why().detail);
    return;
  }
  asking_ = *std::move(asked);
  pump();
}

void app_conversation::on_body(std::string bytes) {
  seen_ += bytes.size();
  if (seen_ > most_body_) { // Where the length was not told beforehand.
    if (asking_)
      asking_->leave();
    exchange_->fail(wire::too_many_bytes("the request's body", seen_, most_body_,
                                         "limits.body_bytes of the application"),
                    413);
    return;
  }
  if (!asked_) {
    body_ += bytes;
    if (!gather_)
      ask(true);
    return;
  }
  if (!asking_)
    return;
  asking_->feed({input_kind::body, 0, std::move(bytes)});
  if (asking_->room() == 0)
    exchange_->hold();
}

void app_conversation::on_body_end() {
  if (!asked_)
    ask(false);
  else if (asking_ && seen_ > 0)
    asking_->feed({input_kind::end, 0, {}});
}

void app_conversation::on_gone(const error&) {
  if (asking_)
    asking_->leave();
}

void app_conversation::changed() {
  if (!asking_)
    return;                       // Inside of `ask`, which looks for itself.
  auto self = shared_from_this(); // The end of the exchange lets go of its handler.
  if (exchange_->held() && asking_->room() > 0)
    exchange_->resume();
  pump();
}

void app_conversation::pump() {
  auto self = shared_from_this();
  while (asking_ && !exchange_->over() && !exchange_->full()) {
    auto part = asking_->next();
    if (!part)
      return;
    switch (part->kind) {
      case part_kind::head:
        if (!answer_head(*part))
          return;
        break;
      case part_kind::body:
        if (!write(part->content))
          return;
        break;
      case part_kind::end:
        if (left_.value_or(0) > 0)
          return spoil("the body is shorter than its Content-Length says");
        return exchange_->end();
      case part_kind::failed: return fail(part->status, part->why);
      case part_kind::text:
      case part_kind::close: // Of a WebSocket only, which is another's to serve.
        asking_->leave();
        return fail(502, "the application answers as if it were asked for a WebSocket");
    }
  }
}

// False: it is over.
bool app_conversation::answer_head(const app_part& part) {
  auto status = static_cast<int>(part.head.status);
  auto head = app_head_for(at_, part.head);
  if (head && status < 200 && !(socket_ && status == 101))
    head = error{errc::malformed, "a response has a status from 200 on"};
  bool head_only = exchange_->request().verb == http_verb::head || is_bodiless(status);
  if (head && part.whole && head->length && *head->length != part.head.body.size() && !head_only)
    head = error{errc::malformed, "the body is not as long as its Content-Length says"};
  if (!head)
    return spoil(head.why().detail), false;
  if (socket_ && status == 101) {
    accept_socket(part, head->lines);
    return false;
  }
  head->lines += usage_line();
  if (part.whole && !head_only)
    head->length = part.head.body.size();
  exchange_->begin(status, head->lines, head->length);
  if (!head_only)
    left_ = head->length;
  if (!write(part.head.body))
    return false;
  if (part.whole)
    exchange_->end();
  return !part.whole;
}

// False: it is over.
bool app_conversation::write(std::string_view bytes) {
  if (left_ && bytes.size() > *left_)
    return spoil("the body is longer than its Content-Length says"), false;
  if (left_)
    *left_ -= bytes.size();
  if (!bytes.empty())
    exchange_->write(std::string{bytes});
  return true;
}

void app_conversation::spoil(const std::string& why) {
  asking_->spoil(why);
  fail(502, why);
}

// What it used where that is known, and where it can be asked for.
std::string app_conversation::usage_line() const {
  const auto& source = *asking_->source();
  std::string out = "Vivarium-Execution: " + source.id() + "\r\n";
  if (!source.end())
    return out;
  const auto& used = source.end()->usage;
  out += "Vivarium-Usage: wall_us=" + std::to_string(used.wall.count())
         + ", cpu_us=" + std::to_string(used.cpu.count())
         + ", queued_us=" + std::to_string(used.queued.count()) + "\r\n";
  return out;
}

void app_conversation::fail(int status, std::string_view why) {
  if (exchange_->begun()) {
    exchange_->fail(error{errc::internal, std::string{why}});
    return;
  }
  app_head head;
  if (auto rules = app_head_for(at_, {}); rules)
    head = *std::move(rules);
  if (asking_ && asking_->source())
    head.lines += usage_line();
  if (status == 503)
    head.lines += "Retry-After: 1\r\n";
  if (why.empty()) {
    exchange_->answer(status, "Content-Type: text/plain; charset=utf-8\r\n" + head.lines,
                      "Internal Server Error");
    return;
  }
  std::string body = R"({"detail":)";
  bridge::append_json_string(body, why);
  body += '}';
  exchange_->answer(status, "Content-Type: application/json\r\n" + head.lines, std::move(body));
}

void app_conversation::accept_socket(const app_part& part, const std::string& lines) {
  auto asking = std::exchange(asking_, nullptr);
  auto limits = exchange_->limits();
  auto answer = app_socket::answer_lines(exchange_->request(), part.head.body) + lines;
  exchange_->hand_over(answer, [&](connection& on, guest client) {
    return app_socket::take_over(on, auth_, limits, std::move(client), std::move(asking));
  });
}

} // namespace vivarium
