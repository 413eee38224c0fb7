// SPDX-License-Identifier: Apache-2.0
#include "actors/app_registry.hpp"
#include "bridge/app_messages.hpp"
#include "daemon/rpc_awaiting.hpp"
#include "daemon/rpc_calls.hpp"
#include "daemon/wire_app.hpp"

#include <boost/asio/steady_timer.hpp>

#include <utility>

namespace vivarium::rpc {

namespace {

using part_kind = app_part::part_kind;

// How long the verdict may come behind the end of a response, before that is told without.
constexpr auto verdict_patience = std::chrono::milliseconds{500};
// What is held of a response that is given in one piece.
constexpr std::size_t most_gathered = 32u << 20;

error no_route(const std::string& app) {
  return error{errc::route_not_found, "there is no application '" + app + "'"};
}

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

wire::app_reply reply_of(const bridge::app_response& from) {
  wire::app_reply out;
  out.status = from.status;
  out.headers.reserve(from.headers.size());
  for (const auto& [name, value] : from.headers)
    out.headers.emplace_back(name, value);
  return out;
}

/// Whoever asks an application through the API.
class asking_call : public basic_call,
                    public follower,
                    public std::enable_shared_from_this<asking_call> {
public:
  asking_call(const context& with, const question& asked, std::shared_ptr<asker> who,
              std::uint64_t tag)
      : basic_call{std::move(who), tag, asked.response}, core_{with.core}, executor_{with.executor},
        tenant_{asked.tenant}, request_id_{asked.request_id}, what_{asked.what} {}

  void begin(side_thread& aside, const question& asked) {
    read(
        shared_from_this(), aside, asked,
        [type = type()](const question& from) {
          return wire::decode_handle(type, from.request, from.bytes);
        },
        [this](result<wire::handle_request> what, const question&) {
          if (what)
            ask(*what);
          else
            refuse(std::move(what).why());
        });
  }

  void abandon() override {
    basic_call::abandon();
    leave();
  }
  void give_up() override {
    leave();
    basic_call::give_up();
  }

protected:
  /// `asking_` may have more to tell.
  virtual void on_change() = 0;

  [[nodiscard]] wire::message type() const noexcept {
    return what_ == method::handle ? wire::message::handle_request
                                   : wire::message::handle_stream_request;
  }
  /// Ends the call with what kept the application from being asked.
  void refuse_with(const app_part& part) { refuse(why_not(part)); }
  static error why_not(const app_part& part) {
    return error{part.status == 404   ? errc::route_not_found
                 : part.status == 413 ? errc::too_large
                 : part.status == 502 ? errc::failed_precondition
                 : part.status == 503 ? errc::unavailable
                 : part.status == 504 ? errc::deadline_exceeded
                                      : errc::internal,
                 part.why};
  }
  /// Whether the application came to an end of its own, and the verdict says which.
  [[nodiscard]] bool was_asked() const {
    const auto& source = asking_->source();
    return source && source->end() && !source->malformed;
  }

  /// Whether the verdict is there, or is long in coming because the application goes on. Else
  /// `on_change` is called again.
  [[nodiscard]] bool settled() {
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
  void on_progress(execution& source) override {
    if (source.end() && timer_)
      timer_->cancel();
  }

  std::shared_ptr<app_exchange> asking_;

private:
  void ask(const wire::handle_request& what) {
    const auto* app = core_.apps().find(tenant_, what.app);
    if (app == nullptr) {
      refuse(no_route(what.app));
      return;
    }
    if (what.what.body.size() > app->limits.body_bytes) {
      refuse(wire::too_many_bytes("the request's body", what.what.body.size(),
                                  app->limits.body_bytes, "limits.body_bytes of the application"));
      return;
    }
    auto asked =
        core_.apps().ask(app->id, request_of(what.what), request_id_, [weak = weak_from_this()] {
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

  void leave() {
    if (auto asked = std::exchange(asking_, nullptr); asked && !asked->over())
      asked->leave();
  }

  service& core_;
  boost::asio::any_io_executor executor_;
  std::string tenant_;
  std::string request_id_;
  method what_;
  std::optional<boost::asio::steady_timer> timer_;
  bool settled_ = false;
};

/// Handle: the whole response.
class handle_call final : public asking_call {
public:
  using asking_call::asking_call;

private:
  void on_change() override {
    if (complete_)
      return tell();
    while (auto part = over() ? std::nullopt : asking_->next()) {
      switch (part->kind) {
        case part_kind::head:
          reply_ = reply_of(part->head);
          has_head_ = true;
          if (!take(part->head.body))
            return;
          if (part->whole)
            return tell();
          break;
        case part_kind::body:
          if (!take(part->content))
            return;
          break;
        case part_kind::failed:
          if (!was_asked()) {
            refuse_with(*part);
            return;
          }
          if (!has_head_)
            reply_ = wire::failed_reply();
          return tell();
        default: return tell();
      }
    }
  }

  bool take(std::string_view bytes) {
    if (reply_.body.size() + bytes.size() > most_gathered) {
      asking_->leave();
      refuse(
          error{errc::too_large, "the response is over 32 MiB; HandleStream gives it in chunks"});
      return false;
    }
    reply_.body += bytes;
    return true;
  }

  void tell() {
    complete_ = true;
    if (settled())
      answer(wire::encode_handled(wire::message::handle_response, response(), reply_,
                                  *asking_->source()));
  }

  wire::app_reply reply_;
  bool has_head_ = false;
  bool complete_ = false;
};

/// HandleStream: head and chunks as the client has room for them.
class handle_stream_call final : public asking_call {
public:
  using asking_call::asking_call;

  std::optional<result<piece>> next(std::uint64_t credit) override {
    if (!asking_ || ended_)
      return std::nullopt;
    if (!chunk_.empty())
      return credit > 0 ? chunk() : std::nullopt;
    if (told_last_)
      return end();
    while (credit > 0) {
      auto part = asking_->next();
      if (!part)
        return std::nullopt;
      switch (part->kind) {
        case part_kind::head:
          has_head_ = true;
          chunk_ = part->head.body;
          told_last_ = part->whole;
          return made(
              wire::encode_app_head(response(), reply_of(part->head), asking_->source()->id()));
        case part_kind::body:
          chunk_ = part->content;
          if (!chunk_.empty())
            return chunk();
          break;
        case part_kind::failed: return failed(*part);
        default: return end();
      }
    }
    return std::nullopt;
  }

  [[nodiscard]] bool ended() const noexcept override { return ended_; }

private:
  void on_change() override { tell_ready(); }

  static std::optional<result<piece>> made(result<std::string> body, std::uint64_t used = 1) {
    if (!body)
      return std::move(body).why();
    return piece{*std::move(body), used};
  }

  std::optional<result<piece>> chunk() {
    return made(wire::encode_app_chunk(response(), std::exchange(chunk_, {})));
  }

  std::optional<result<piece>> end() {
    told_last_ = true;
    if (!settled())
      return std::nullopt;
    ended_ = true;
    return made(wire::encode_app_end(response(), *asking_->source()), 0);
  }

  std::optional<result<piece>> failed(const app_part& part) {
    const auto& source = asking_->source();
    if (!was_asked()) {
      ended_ = true;
      return why_not(part);
    }
    if (has_head_)
      return end();
    has_head_ = told_last_ = true;
    auto reply = wire::failed_reply();
    chunk_ = std::move(reply.body);
    return made(wire::encode_app_head(response(), reply, source->id()));
  }

  std::string chunk_;
  bool has_head_ = false;
  bool told_last_ = false;
  bool ended_ = false;
};

/// Invoke: an execution whose value is a whole response.
class invoke_call final : public awaiting_call {
public:
  using awaiting_call::awaiting_call;

  void begin(const question& asked) {
    read(
        shared_from_this(), aside(), asked,
        [](const question& from) { return wire::decode_invoke(from.request, from.bytes); },
        [this](result<submission> what, const question& from) {
          if (what)
            what->request_id = from.request_id;
          submit(std::move(what));
        });
  }

private:
  void settle(const execution_ptr& source) override {
    const auto& how = *source->end();
    auto reply = wire::failed_reply();
    if (how.outcome == verdict::kind::value) {
      auto read = bridge::read_app_response(how.content);
      if (!read) {
        refuse(error{errc::failed_precondition, read.why().detail});
        return;
      }
      reply = reply_of(*read);
      reply.body = read->body;
    }
    answer_with(shared_from_this(), aside(), reply.body.size(), [as = response(), source, reply] {
      return wire::encode_handled(wire::message::invoke_response, as, reply, *source);
    });
  }
};

/// BootApp, GetApp, ListApps, CloseApp.
class app_call final : public basic_call, public std::enable_shared_from_this<app_call> {
public:
  using basic_call::basic_call;

  void begin(const context& with, const question& asked) {
    auto& apps = with.core.apps();
    switch (asked.what) {
      case method::boot_app: return boot(with, asked);
      case method::get_app:
        if (auto name = named(wire::message::get_app_request, asked)) {
          auto found = apps.describe(asked.tenant, *name);
          if (!found)
            refuse(no_route(*name));
          else
            answer(wire::encode_app(wire::message::get_app_response, response(), *found));
        }
        return;
      case method::close_app:
        if (auto name = named(wire::message::close_app_request, asked))
          apps.close(asked.tenant, *name, to<done>([](wire::codec as, done) {
                       return result<std::string>{as == wire::codec::json ? "{}" : ""};
                     }));
        return;
      default: break;
    }
    auto ok = wire::decode_empty(wire::message::list_apps_request, asked.request, asked.bytes);
    if (!ok)
      refuse(std::move(ok).why());
    else
      answer(wire::encode_apps(response(), apps.list(asked.tenant)));
  }

private:
  void boot(const context& with, const question& asked) {
    read(
        shared_from_this(), with.aside, asked,
        [](const question& from) { return wire::decode_boot_app(from.request, from.bytes); },
        [this, &core = with.core](result<app_plan> what, const question& from) {
          if (!what) {
            refuse(std::move(what).why());
            return;
          }
          what->request_id = from.request_id;
          core.apps().boot(from.tenant, *std::move(what),
                           to<app_info>([](wire::codec as, const app_info& info) {
                             return wire::encode_app(wire::message::boot_app_response, as, info);
                           }));
        });
  }

  std::optional<std::string> named(wire::message type, const question& asked) {
    auto name = wire::decode_app_name(type, asked.request, asked.bytes);
    if (name)
      return *std::move(name);
    refuse(std::move(name).why());
    return std::nullopt;
  }

  template <class T, class Encode>
  reply<T> to(Encode encode) {
    return reply<T>{[self = shared_from_this(), encode](result<T> outcome) {
      if (!outcome)
        self->refuse(std::move(outcome).why());
      else if (!self->over())
        self->answer(encode(self->response(), *outcome));
    }};
  }
};

} // namespace

std::shared_ptr<basic_call> begin_app(const context& with, const question& asked,
                                      std::shared_ptr<asker> who, std::uint64_t tag) {
  if (asked.what == method::invoke) {
    auto made = std::make_shared<invoke_call>(with, asked, std::move(who), tag);
    made->begin(asked);
    return made;
  }
  if (asked.what == method::handle) {
    auto made = std::make_shared<handle_call>(with, asked, std::move(who), tag);
    made->begin(with.aside, asked);
    return made;
  }
  if (asked.what == method::handle_stream) {
    auto made = std::make_shared<handle_stream_call>(with, asked, std::move(who), tag);
    made->begin(with.aside, asked);
    return made;
  }
  auto made = std::make_shared<app_call>(std::move(who), tag, asked.response);
  made->begin(with, asked);
  return made;
}

} // namespace vivarium::rpc
