// SPDX-License-Identifier: Apache-2.0
#include "daemon/ws_session.hpp"

#include <algorithm>
#include <utility>

namespace vivarium {

namespace {

constexpr std::uint64_t default_credit = 1'024;
constexpr std::size_t large_body = 4u << 10;

} // namespace

ws_session::ws_session(connection& on, endpoint& at, const handshake& agreed, guest who,
                       const trace_context& trace)
    : connection_{&on}, at_{at}, codec_{agreed.codec}, who_{std::move(who.who)},
      room_{std::move(who.room)}, seat_{std::move(who.seat)}, request_id_{agreed.request_id},
      trace_{trace}, reader_{at.limits.frame_bytes}, heard_{clock_type::now()} {}

bool ws_session::wants_input() const noexcept {
  return connection_ != nullptr && !connection_->congested() && !reading_aside_ && !deferred_;
}

void ws_session::on_input(byte_buffer& in) {
  heard_ = clock_type::now();
  taking_ = true;
  while (connection_ != nullptr && wants_input()) {
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

void ws_session::take(const ws::item& what) {
  switch (what.what) {
    case ws::item::kind::message:
    case ws::item::kind::too_large: take_message(what); break;
    case ws::item::kind::ping:
      scratch_.clear();
      ws::append_head(scratch_, ws::opcode::pong, what.data.size());
      scratch_ += what.data;
      connection_->out().append(scratch_);
      break;
    case ws::item::kind::close:
    case ws::item::kind::violation: say_goodbye(what.code, what.data); break;
    case ws::item::kind::pong:
    case ws::item::kind::fragment:
    case ws::item::kind::need_more: break;
  }
}

void ws_session::take_message(const ws::item& what) {
  auto expected = codec_ == wire::codec::json ? ws::opcode::text : ws::opcode::binary;
  if (what.type != expected) {
    say_goodbye(ws::close_unsupported, codec_ == wire::codec::json
                                           ? "this subprotocol takes text messages"
                                           : "this subprotocol takes binary messages");
    return;
  }
  if (what.what == ws::item::kind::too_large) {
    send_failure(wire::id_at_front(codec_, what.data),
                 wire::too_many_bytes("the message", what.size, at_.limits.frame_bytes,
                                      "server.frame_bytes"));
    return;
  }
  if (codec_ == wire::codec::json && what.data.size() >= long_json) {
    open_aside(what.data);
    return;
  }
  wire::client_frame frame;
  if (auto ok = wire::open_frame(frame, codec_, what.data); !ok)
    send_failure(0, ok.why());
  else
    take_frame(frame);
}

void ws_session::open_aside(std::string_view message) {
  reading_aside_ = true;
  struct opening {
    std::string bytes;
    wire::client_frame frame;
    status how = done{};
  };
  auto one = std::make_shared<opening>();
  one->bytes = message;
  at_.calls.aside.run(
      [one, as = codec_] { one->how = wire::open_frame(one->frame, as, one->bytes); },
      [self = shared_from_this(), one] {
        self->reading_aside_ = false;
        if (self->connection_ == nullptr)
          return;
        if (!one->how)
          self->send_failure(0, one->how.why());
        else
          self->take_frame(one->frame);
        if (self->connection_ != nullptr)
          self->connection_->resume_reading();
      });
}

void ws_session::take_frame(const wire::client_frame& frame) {
  const auto own_id = harmless_id(frame.request_id);
  if (frame.id == 0 || frame.field == 0) {
    send_failure(frame.id, error{errc::invalid_argument, "a frame needs an id above 0 and a body"},
                 own_id);
    return;
  }
  auto found = requests_.find(frame.id);
  bool about_other = frame.field == wire::more_credit_field || frame.field == wire::abandon_field;
  if (about_other && found == requests_.end())
    return; // It crossed with the end of the request.
  if (frame.field == wire::more_credit_field) {
    found->second.credit += frame.more_credit;
    pump(frame.id);
  } else if (frame.field == wire::abandon_field) {
    if (auto call = found->second.call)
      call->give_up();
  } else if (frame.field == wire::answer_field && found != requests_.end()
             && found->second.method->id == rpc::method::serve) {
    answer_call(frame);
  } else if (found != requests_.end()) {
    send_failure(
        frame.id,
        error{errc::already_exists, "another request of this connection still uses this id"},
        own_id);
  } else if (requests_.size() >= at_.limits.in_flight) {
    send_failure(frame.id,
                 error{errc::busy, "too many requests at once on this connection: at most "
                                       + std::to_string(at_.limits.in_flight)},
                 own_id);
  } else if (frame.field == wire::set_defaults_field) {
    set_defaults(frame);
  } else if (const auto* method = rpc::find_by_request_field(frame.field)) {
    begin(frame, *method);
  } else {
    send_failure(frame.id,
                 error{errc::invalid_argument,
                       "no request is known by the field " + std::to_string(frame.field)},
                 own_id);
  }
}

// Of a call that the stream with this id brought: nothing is said of it but what is wrong.
void ws_session::answer_call(const wire::client_frame& frame) {
  struct reading {
    std::string bytes;
    result<wire::answer_request> what = error{};
  };
  auto take = [](ws_session& self, result<wire::answer_request>& what) {
    auto ok = what ? self.at_.calls.core.functions().answer(self.who_.tenant, what->call,
                                                            std::move(what->with))
                   : status{what.why()};
    if (!ok && self.connection_ != nullptr)
      self.send_failure(0, ok.why());
  };
  if (frame.body_codec != wire::codec::json || frame.body.size() < long_json) {
    auto what = wire::decode_answer(frame.body_codec, frame.body);
    take(*this, what);
    return;
  }
  reading_aside_ = true;
  auto one = std::make_shared<reading>();
  one->bytes = frame.body;
  at_.calls.aside.run([one] { one->what = wire::decode_answer(wire::codec::json, one->bytes); },
                      [self = shared_from_this(), one, take] {
                        self->prepared(0);
                        take(*self, one->what);
                      });
}

void ws_session::set_defaults(const wire::client_frame& frame) {
  if (frame.body.size() > rpc::most_of_short) {
    send_failure(frame.id, rpc::too_long_for_short(frame.body.size()));
    return;
  }
  auto wanted = wire::decode_defaults(frame.body_codec, frame.body);
  if (!wanted) {
    send_failure(frame.id, wanted.why());
    return;
  }
  if (!wanted->own_session)
    return use_defaults(frame.id, *std::move(wanted));
  session_request wish;
  wish.environment = wanted->environment;
  wish.owner = owner();
  wish.request_id = request_id(frame.id, harmless_id(frame.request_id));
  auto then = [self = shared_from_this(), id = frame.id,
               defaults = *std::move(wanted)](result<session_info> made) mutable {
    if (self->connection_ == nullptr)
      return; // The session has ended with the connection.
    if (!made)
      return self->send_failure(id, made.why());
    defaults.session = made->id;
    self->use_defaults(id, std::move(defaults));
  };
  at_.calls.core.create_session(who_.tenant, std::move(wish), reply<session_info>{std::move(then)});
}

void ws_session::use_defaults(std::uint64_t id, wire::defaults wanted) {
  defaults_ = std::move(wanted);
  send(id, wire::set_defaults_field, "setDefaults",
       wire::encode_defaults_set(codec_, defaults_->session));
}

std::uint64_t ws_session::owner() {
  if (owner_ == 0)
    owner_ = at_.calls.core.new_owner();
  return owner_;
}

void ws_session::begin(const wire::client_frame& frame, const rpc::method_info& method) {
  auto id = frame.id;
  auto& request = requests_[id];
  request.method = &method;
  request.started = heard_;
  if (method.stream) {
    request.credit = frame.credit != 0 ? frame.credit : default_credit;
    ++streams_;
  }
  request.own_id = harmless_id(frame.request_id);
  request.trace = at_.tracing.enter(
      frame.traceparent.empty() ? trace_
                                : parse_traceparent(frame.traceparent).value_or(trace_context{}));
  auto name = request_id(id, request.own_id);
  rpc::question question{method.id,
                         frame.body_codec,
                         codec_,
                         who_.tenant,
                         name,
                         frame.body,
                         who_.what == role::admin,
                         this,
                         defaults_ ? &*defaults_ : nullptr,
                         request.credit,
                         who_.key.id,
                         request.trace};
  auto call = rpc::begin(at_.calls, question, shared_from_this(), id);
  if (!call)
    return;
  if (auto still = requests_.find(id); still != requests_.end()) {
    reading_aside_ = call->preparing();
    still->second.call = std::move(call);
    if (method.stream)
      pump(id);
  } else {
    call->abandon();
  }
}

void ws_session::answer(std::uint64_t id, std::string body) {
  auto request = requests_.extract(id);
  if (!request || connection_ == nullptr)
    return;
  const auto& method = *request.mapped().method;
  told(request.mapped(), id, nullptr);
  send(id, method.answer_field, method.frame_name, std::move(body), request.mapped().own_id);
}

void ws_session::refuse(std::uint64_t id, error why) {
  auto request = requests_.extract(id);
  if (!request || connection_ == nullptr)
    return;
  streams_ -= request.mapped().method->stream ? 1 : 0;
  told(request.mapped(), id, &why);
  send_failure(id, why, request.mapped().own_id);
}

void ws_session::ready(std::uint64_t id) {
  pump(id);
}

void ws_session::prepared(std::uint64_t) {
  reading_aside_ = false;
  if (connection_ != nullptr)
    connection_->resume_reading();
}

void ws_session::pump(std::uint64_t id) {
  auto found = requests_.find(id);
  if (found == requests_.end() || !found->second.call || !found->second.method->stream
      || connection_ == nullptr)
    return;
  auto& request = found->second;
  auto call = request.call;
  while (!connection_->congested()) {
    auto item = call->next(request.credit);
    if (!item)
      break;
    if (!*item) {
      call->abandon();
      refuse(id, std::move(*item).why());
      return;
    }
    request.credit -= std::min((*item)->used, request.credit);
    send(id, request.method->answer_field, request.method->frame_name, std::move((*item)->body),
         request.own_id);
    if (connection_ == nullptr)
      return;
  }
  if (!call->ended())
    return;
  told(request, id, nullptr);
  auto own_id = std::move(request.own_id);
  requests_.erase(found);
  --streams_;
  send(id, wire::end_field, "end", codec_ == wire::codec::json ? "{}" : "", own_id);
}

void ws_session::send(std::uint64_t id, std::uint32_t field, std::string_view name,
                      std::string body, std::string_view own_id) {
  auto type = codec_ == wire::codec::json ? ws::opcode::text : ws::opcode::binary;
  auto tail = wire::frame_tail(codec_);
  std::string head;
  wire::append_frame_head(head, codec_, id, field, name, body.size(), own_id);
  scratch_.clear();
  ws::append_head(scratch_, type, head.size() + body.size() + tail.size());
  scratch_ += head;
  auto& out = connection_->out();
  if (body.size() < large_body) {
    scratch_ += body;
    scratch_ += tail;
    out.append(std::string_view{scratch_});
  } else {
    out.append(std::string_view{scratch_});
    out.append(std::move(body));
    out.append(tail);
  }
  flush();
}

void ws_session::flush() {
  if (taking_)
    return; // `on_input` writes when it is through.
  // The only answer that was waited for leaves at once. Where more are under way, others are likely
  // to become ready in this turn of the reactor, and then one write takes them all.
  if (requests_.empty())
    connection_->flush();
  else
    connection_->flush_soon();
}

void ws_session::send_failure(std::uint64_t id, const error& why, std::string_view own_id) {
  send(id, wire::failure_field, "error", wire::encode_failure(codec_, why, request_id(id, own_id)),
       own_id);
}

std::string ws_session::request_id(std::uint64_t id, std::string_view own) const {
  std::string out{own};
  if (!own.empty())
    return out;
  out.reserve(request_id_.size() + 12);
  out += request_id_;
  out += '.';
  out += std::to_string(id);
  return out;
}

void ws_session::told(const pending& request, std::uint64_t id, const error* why) {
  auto took = clock_type::now() - request.started;
  at_.meters.call_ended(request.method->id, why != nullptr ? wire::face_of(why->code).code : "ok",
                        took);
  if (why != nullptr || at_.journal.enabled(log_level::debug))
    log_call(at_, carrier::websocket, *request.method, request_id(id, request.own_id), who_.tenant,
             request.trace.self, why, took);
  if (request.trace.recorded)
    trace_call(at_, carrier::websocket, *request.method, request_id(id, request.own_id),
               who_.tenant, request.trace, why, request.started);
}

void ws_session::on_overload() {
  say_goodbye(ws::close_try_again,
              "the daemon holds too much of requests that have not arrived yet");
}

void ws_session::on_drained() {
  if (streams_ == 0)
    return;
  std::vector<std::uint64_t> ids;
  for (const auto& [id, request] : requests_)
    if (request.method->stream)
      ids.push_back(id);
  if (ids.empty())
    return;
  // Each time another stream comes first: otherwise the same few would take all the room.
  auto first = static_cast<std::ptrdiff_t>(turn_++ % ids.size());
  std::rotate(ids.begin(), ids.begin() + first, ids.end());
  for (auto id : ids)
    pump(id);
}

void ws_session::on_closed() {
  connection_ = nullptr;
  room_.release();
  seat_ = {};
  auto left = std::exchange(requests_, {});
  streams_ = 0;
  error gone{errc::cancelled, "the client closed the connection"};
  for (auto& [id, request] : left) {
    told(request, id, &gone);
    if (request.call)
      request.call->abandon();
  }
  if (auto owner = std::exchange(owner_, 0); owner != 0)
    at_.calls.core.release_owner(who_.tenant, owner);
}

void ws_session::on_recheck() {
  if (!at_.auth.still(who_))
    say_goodbye(ws::close_policy, key_is_gone().detail);
}

void ws_session::on_sweep(clock_type::time_point now) {
  on_recheck();
  if (connection_ == nullptr)
    return;
  auto interval = at_.limits.ping_interval;
  if (now - heard_ < interval || connection_->congested())
    return;
  if (pinged_ > heard_ && now - heard_ > 3 * interval) {
    connection_->close();
  } else if (pinged_ <= heard_ || now - pinged_ >= interval) {
    pinged_ = now;
    scratch_.clear();
    ws::append_head(scratch_, ws::opcode::ping, 0);
    connection_->out().append(std::string_view{scratch_});
    connection_->flush();
  }
}

void ws_session::on_stopping(stopping how) {
  if (how == stopping::now)
    say_goodbye(ws::close_going_away, "the daemon stops");
  else
    send(0, wire::draining_field, "draining", codec_ == wire::codec::json ? "{}" : "");
}

void ws_session::say_goodbye(std::uint16_t code, std::string_view reason) {
  scratch_.clear();
  ws::append_close(scratch_, code, reason);
  auto* on = connection_;
  on->out().append(std::string_view{scratch_});
  on_closed(); // Nothing else is sent, and whoever waited waits no longer.
  on->close_when_flushed();
}

} // namespace vivarium
