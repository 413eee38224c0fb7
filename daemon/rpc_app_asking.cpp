// SPDX-License-Identifier: Apache-2.0
#include "daemon/rpc_app_asking.hpp"

#include "actors/app_registry.hpp"

#include <utility>

namespace vivarium::rpc {

namespace {

// How long the verdict may come behind the end of a response, before that is told without.
constexpr auto verdict_patience = std::chrono::milliseconds{500};

bridge::app_request request_of(const wire::app_question& asked) {
  bridge::app_request out;
  out.method = asked.method;
  out.raw_path = asked.path;
  out.query = asked.query;
  out.body = asked.body;
  for (const auto& [name, value] : asked.headers)
    out.headers.emplace_back(name, value);
  return out;
}

} // namespace

error no_route(const std::string& app) {
  return error{errc::route_not_found, "there is no application '" + app + "'"};
}

wire::app_reply reply_of(const bridge::app_response& from) {
  wire::app_reply out;
  out.status = from.status;
  out.headers.reserve(from.headers.size());
  for (const auto& [name, value] : from.headers)
    out.headers.emplace_back(name, value);
  return out;
}

asking_call::asking_call(const context& with, const question& asked, std::shared_ptr<asker> who,
                         std::uint64_t tag)
    : basic_call{std::move(who), tag, asked.response}, aside_{with.aside}, core_{with.core},
      executor_{with.executor}, tenant_{asked.tenant},
      request_id_{asked.request_id}, trace_{asked.trace.child()}, what_{asked.what} {}

void asking_call::begin(const question& asked) {
  read(
      shared_from_this(), aside_, asked,
      [type = what_ == method::handle ? wire::message::handle_request
                                      : wire::message::handle_stream_request](
          const question& from) { return wire::decode_handle(type, from.request, from.bytes); },
      [this](result<wire::handle_request> what, const question&) {
        if (what)
          ask(*what);
        else
          refuse(std::move(what).why());
      });
}

void asking_call::abandon() {
  basic_call::abandon();
  leave();
}

void asking_call::give_up() {
  leave();
  basic_call::give_up();
}

void asking_call::on_progress(execution& source) {
  if (source.end() && timer_)
    timer_->cancel();
}

error asking_call::why_not(const app_part& part) {
  return error{part.status == 404   ? errc::route_not_found
               : part.status == 413 ? errc::too_large
               : part.status == 502 ? errc::failed_precondition
               : part.status == 503 ? errc::unavailable
               : part.status == 504 ? errc::deadline_exceeded
                                    : errc::internal,
               part.why};
}

bool asking_call::was_asked() const {
  const auto& source = asking_->source();
  return source && source->end() && !source->malformed;
}

bool asking_call::settled() {
  if (asking_->source()->end() || settled_)
    return true;
  if (timer_)
    return false; // It is being waited for.
  timer_.emplace(executor_, verdict_patience);
  timer_->async_wait([self = shared_from_this()](boost::system::error_code) {
    self->settled_ = true;
    if (!self->over() && self->asking_)
      self->on_change();
  });
  asking_->source()->subscribe(shared_from_this());
  return false;
}

void asking_call::ask(const wire::handle_request& what) {
  const auto* app = core_.apps().find(tenant_, what.app);
  if (app == nullptr) {
    refuse(no_route(what.app));
    return;
  }
  if (what.what.body.size() > app->limits.body_bytes) {
    refuse(wire::too_many_bytes("the request's body", what.what.body.size(), app->limits.body_bytes,
                                "limits.body_bytes of the application"));
    return;
  }
  auto asked = core_.apps().ask(app->id, request_of(what.what), request_id_, trace_,
                                [weak = weak_from_this()] {
                                  if (auto self = weak.lock(); self && self->asking_)
                                    self->on_change();
                                });
  if (!asked) {
    refuse(std::move(asked).why());
    return;
  }
  asking_ = *std::move(asked);
  on_change();
}

void asking_call::leave() {
  if (auto asked = std::exchange(asking_, nullptr); asked && !asked->over())
    asked->leave();
}

} // namespace vivarium::rpc
