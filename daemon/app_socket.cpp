// SPDX-License-Identifier: Apache-2.0
#include "daemon/app_socket.hpp"

#include "daemon/base64.hpp"

#include <algorithm>
#include <utility>

namespace vivarium {

namespace {

using part_kind = app_part::part_kind;
using input_kind = bridge::app_input::input_kind;

constexpr std::uint16_t close_abnormal = 1006;
constexpr std::uint16_t close_failed = 1011;
// A message is passed on whole, so each socket may have one on its way beyond what the application
// takes.
constexpr std::size_t most_message = 1u << 20;

} // namespace

bool app_socket::is_asked_for(const http_request& request) {
  auto nonce = decode_base64(request.header("sec-websocket-key"));
  return request.header("sec-websocket-version") == "13" && request.count("sec-websocket-key") == 1
         && nonce && nonce->size() == 16;
}

std::string app_socket::answer_lines(const http_request& request, std::string_view protocol) {
  std::string out = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
                    + ws::accept_key(request.header("sec-websocket-key")) + "\r\n";
  if (bridge::is_header_name(protocol))
    out += "Sec-WebSocket-Protocol: " + std::string{protocol} + "\r\n";
  return out;
}

std::shared_ptr<app_socket> app_socket::take_over(connection& on, authenticator& auth,
                                                  const network_limits& limits, guest client,
                                                  std::shared_ptr<app_exchange> app) {
  auto made = std::make_shared<app_socket>(on, auth, limits, std::move(client), app);
  app->tell([weak = std::weak_ptr{made}] {
    if (auto self = weak.lock())
      self->pump();
  });
  // What the application has sent already follows the head, which is not written yet.
  on.flush_soon();
  boost::asio::post(on.executor(), [made] { made->pump(); });
  return made;
}

app_socket::app_socket(connection& on, authenticator& auth, const network_limits& limits,
                       guest client, std::shared_ptr<app_exchange> app)
    : connection_{&on}, auth_{auth}, limits_{limits}, who_{std::move(client.who)},
      room_{std::move(client.room)}, seat_{std::move(client.seat)}, app_{std::move(app)},
      reader_{std::min(limits.frame_bytes, most_message)} {}

bool app_socket::wants_input() const noexcept {
  return connection_ != nullptr && !connection_->congested() && !deferred_ && app_->room() > 0;
}

void app_socket::on_input(byte_buffer& in) {
  auto self = shared_from_this();
  heard_ = clock_type::now();
  taking_ = true;
  while (wants_input()) {
    if (!in.empty() && !seat_.enter()) {
      deferred_ = true;
      seat_.wait(connection_->weak_from_this());
      break;
    }
    auto before = in.size();
    auto what = reader_.next(in);
    seat_.charge((before - in.size()) / bytes_per_turn);
    if (what.what == ws::item::kind::need_more)
      break;
    take(what);
  }
  taking_ = false;
  if (connection_ != nullptr && !connection_->out().empty())
    connection_->flush();
}

void app_socket::take(const ws::item& what) {
  switch (what.what) {
    case ws::item::kind::message:
      app_->feed({what.type == ws::opcode::text ? input_kind::text : input_kind::binary, 0,
                  std::string{what.data}});
      break;
    case ws::item::kind::too_large:
      say_goodbye(ws::close_too_big, "the message is too large");
      break;
    case ws::item::kind::ping: send(ws::opcode::pong, what.data); break;
    case ws::item::kind::close:
    case ws::item::kind::violation: say_goodbye(what.code, what.data); break;
    case ws::item::kind::pong:
    case ws::item::kind::fragment:
    case ws::item::kind::need_more: break;
  }
}

void app_socket::pump() {
  auto self = shared_from_this();
  if (connection_ != nullptr && !taking_ && wants_input())
    connection_->resume_reading();
  while (connection_ != nullptr && !connection_->congested()) {
    auto part = app_->next();
    if (!part)
      return;
    switch (part->kind) {
      case part_kind::body: send(ws::opcode::binary, part->content); break;
      case part_kind::text: send(ws::opcode::text, part->content); break;
      case part_kind::close: return say_goodbye(part->code, part->content);
      case part_kind::end: return say_goodbye(ws::close_normal, {});
      // What was cancelled, its application was closed for most often.
      default: return say_goodbye(part->status == 503 ? ws::close_going_away : close_failed, {});
    }
  }
}

void app_socket::send(ws::opcode type, std::string_view content) {
  scratch_.clear();
  ws::append_head(scratch_, type, content.size());
  scratch_ += content;
  connection_->out().append(std::string_view{scratch_});
  if (!taking_)
    connection_->flush_soon();
}

// The application is told once, and nothing that it says is heard.
void app_socket::leave(std::uint16_t code) {
  connection_ = nullptr;
  room_.release();
  seat_ = {};
  app_->feed({input_kind::disconnect, code, {}});
  app_->leave();
}

void app_socket::on_closed() {
  if (connection_ != nullptr)
    leave(close_abnormal);
}

void app_socket::say_goodbye(std::uint16_t code, std::string_view reason) {
  scratch_.clear();
  ws::append_close(scratch_, code, reason);
  auto* on = connection_;
  on->out().append(std::string_view{scratch_});
  leave(code);
  on->close_when_flushed();
}

void app_socket::on_overload() {
  say_goodbye(ws::close_try_again, "the daemon holds too much of what has not wholly arrived yet");
}

void app_socket::on_recheck() {
  // A stranger has no key that could end.
  if (connection_ != nullptr && !who_.tenant.empty() && !auth_.still(who_))
    say_goodbye(ws::close_policy, key_is_gone().detail);
}

void app_socket::on_sweep(clock_type::time_point now) {
  on_recheck();
  if (connection_ == nullptr)
    return;
  auto interval = limits_.ping_interval;
  if (now - heard_ < interval || connection_->congested() || app_->room() == 0)
    return;
  if (pinged_ > heard_ && now - heard_ > 3 * interval) {
    connection_->close();
  } else if (pinged_ <= heard_ || now - pinged_ >= interval) {
    pinged_ = now;
    send(ws::opcode::ping, {});
  }
}

void app_socket::on_stopping(stopping) {
  if (connection_ != nullptr)
    say_goodbye(ws::close_going_away, "the daemon stops");
}

} // namespace vivarium
