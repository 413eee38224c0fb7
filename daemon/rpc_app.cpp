// SPDX-License-Identifier: Apache-2.0
#include "actors/app_registry.hpp"
#include "daemon/rpc_app_asking.hpp"
#include "daemon/rpc_awaiting.hpp"

#include <utility>

namespace vivarium::rpc {

namespace {

/// Invoke: an execution whose value is a whole response.
class invoke_call final : public awaiting_call {
public:
  using awaiting_call::awaiting_call;

  void begin(const question& asked) {
    read(
        shared_from_this(), aside(), asked,
        [](const question& from) { return wire::decode_invoke(from.request, from.bytes); },
        [this](result<submission> what, const question& from) {
          if (what) {
            what->request_id = from.request_id;
            what->trace = from.trace.child();
          }
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
      return wire::encode_handled(wire::message::invoke_response, as, reply, source->id(),
                                  source.get());
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
          what->trace = from.trace;
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
    return answering<T>(shared_from_this(), encode);
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
  if (asked.what == method::handle || asked.what == method::handle_stream)
    return begin_handle(with, asked, std::move(who), tag);
  auto made = std::make_shared<app_call>(std::move(who), tag, asked.response);
  made->begin(with, asked);
  return made;
}

} // namespace vivarium::rpc
