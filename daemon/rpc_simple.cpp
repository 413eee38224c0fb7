// SPDX-License-Identifier: Apache-2.0
#include "daemon/rpc_calls.hpp"

#include <utility>

namespace vivarium::rpc {

namespace {

using wire::message;

/// One question to the service and one answer from it.
class simple_call final : public basic_call, public std::enable_shared_from_this<simple_call> {
public:
  using basic_call::basic_call;

  void begin(const context& with, const question& asked) {
    switch (asked.what) {
      case method::start: return read_long(with, asked, decode_start, &simple_call::start);
      case method::compile: return read_long(with, asked, decode_compile, &simple_call::compile);
      case method::create_session:
        return read_long(with, asked, decode_session, &simple_call::create_session);
      case method::answer: return read_long(with, asked, decode_answer, &simple_call::answer_call);
      case method::create_pool:
        return read_long(with, asked, decode_pool, &simple_call::create_pool);
      case method::send: return read_long(with, asked, decode_send, &simple_call::send);
      case method::set_value: return read_long(with, asked, decode_value, &simple_call::set_value);
      case method::create_namespace:
        return read_long(with, asked, decode_namespace, &simple_call::create_namespace);
      default: break;
    }
    ask(with.core, asked);
  }

private:
  /// Requests that hold no more than some names.
  void ask(service& core, const question& asked) {
    const auto& tenant = asked.tenant;
    auto as = asked.request;
    auto bytes = asked.bytes;
    switch (asked.what) {
      case method::destroy_namespace:
        if (auto what = wire::decode_destroy_namespace(as, bytes); check(what))
          core.destroy_namespace(tenant, what->session, what->name_space, to<done>(encode_nothing));
        return;
      case method::list_namespaces:
        if (auto id = wire::decode_session(message::list_namespaces_request, as, bytes); check(id))
          core.list_namespaces(tenant, *id,
                               to<std::vector<namespace_info>>(wire::encode_namespaces));
        return;
      case method::cancel:
        if (auto id = wire::decode_cancel(as, bytes); check(id))
          core.cancel(tenant, *id, to<bool>(wire::encode_cancel));
        return;
      case method::list:
        if (auto session = wire::decode_list(as, bytes); check(session))
          core.list_executions(tenant, *session,
                               to<std::vector<execution_info>>(wire::encode_list));
        return;
      case method::list_sessions:
        if (auto ok = wire::decode_empty(message::list_sessions_request, as, bytes); check(ok))
          core.list_sessions(tenant, to<std::vector<session_info>>(wire::encode_sessions));
        return;
      case method::get_session:
        if (auto id = wire::decode_session(message::get_session_request, as, bytes); check(id))
          core.get_session(tenant, *id, to<session_info>([](wire::codec c, const session_info& i) {
                             return wire::encode_session(message::get_session_response, c, i);
                           }));
        return;
      case method::close_session:
        if (auto what = wire::decode_close_session(as, bytes); check(what))
          core.close_session(tenant, what->session, what->discard_volumes,
                             to<done>(encode_nothing));
        return;
      case method::list_pools: return list_pools(core, asked);
      case method::close_pool:
        if (auto name = wire::decode_close_pool(as, bytes); check(name))
          core.close_session_pool(tenant, *name, to<done>(encode_nothing));
        return;
      case method::set_routes:
        if (auto routes = wire::decode_set_routes(as, bytes); check(routes))
          if (auto ok = core.set_routes(tenant, *std::move(routes)); check(ok))
            answer(encode_nothing(response(), done{}));
        return;
      case method::get_value:
        if (auto key = wire::decode_key(message::get_value_request, as, bytes); check(key))
          core.store().get(tenant, *std::move(key),
                           to<std::optional<std::string>>(wire::encode_value_found));
        return;
      case method::delete_value:
        if (auto key = wire::decode_key(message::delete_value_request, as, bytes); check(key))
          core.store().remove(tenant, *std::move(key), to<bool>(wire::encode_value_deleted));
        return;
      case method::list_keys:
        if (auto what = wire::decode_list_keys(as, bytes); check(what))
          core.store().list(tenant, *std::move(what), to<store_page>(wire::encode_keys));
        return;
      default: break;
    }
    refuse(error{errc::internal, "a call of the wrong kind"});
  }

  /// Requests that may be long: reads one and goes on with it.
  template <class T>
  void read_long(const context& with, const question& asked, result<T> (*decode)(const question&),
                 void (simple_call::*go_on)(service&, result<T>, const question&)) {
    read(shared_from_this(), with.aside, asked, decode,
         [this, &core = with.core, go_on](result<T> what, const question& from) {
           (this->*go_on)(core, std::move(what), from);
         });
  }
  static result<submission> decode_start(const question& from) {
    return wire::decode_start(from.request, from.bytes, from.defaults);
  }
  static result<submission> decode_compile(const question& from) {
    return wire::decode_compile(from.request, from.bytes);
  }
  static result<session_request> decode_session(const question& from) {
    return wire::decode_create_session(from.request, from.bytes);
  }
  static result<wire::answer_request> decode_answer(const question& from) {
    return wire::decode_answer(from.request, from.bytes);
  }
  static result<wire::set_value_request> decode_value(const question& from) {
    return wire::decode_set_value(from.request, from.bytes);
  }
  static result<session_pool_plan> decode_pool(const question& from) {
    return wire::decode_create_pool(from.request, from.bytes);
  }
  static result<wire::send_request> decode_send(const question& from) {
    return wire::decode_send(from.request, from.bytes);
  }
  static result<namespace_request> decode_namespace(const question& from) {
    return wire::decode_create_namespace(from.request, from.bytes);
  }

  void start(service& core, result<submission> what, const question& asked) {
    if (!check(what))
      return;
    if (auto ok = settle(*what, asked); !check(ok))
      return;
    core.submit(asked.tenant, *std::move(what),
                to<execution_ptr>([](wire::codec c, const execution_ptr& made) {
                  return wire::encode_start(c, *made);
                }));
  }

  void compile(service& core, result<submission> what, const question& asked) {
    if (!check(what))
      return;
    what->request_id = asked.request_id;
    what->trace = asked.trace.child();
    core.compile(asked.tenant, *std::move(what), to<compiled>(wire::encode_compile));
  }

  void create_session(service& core, result<session_request> what, const question& asked) {
    if (!check(what))
      return;
    what->request_id = asked.request_id;
    what->trace = asked.trace.child();
    if (auto ok = settle_owner(what->owner, asked); !check(ok))
      return;
    core.create_session(asked.tenant, *std::move(what),
                        to<session_info>([](wire::codec c, const session_info& i) {
                          return wire::encode_session(message::create_session_response, c, i);
                        }));
  }

  void create_pool(service& core, result<session_pool_plan> what, const question& asked) {
    if (!check(what))
      return;
    what->wish.request_id = asked.request_id;
    core.create_session_pool(asked.tenant, *std::move(what),
                             to<session_pool_info>(wire::encode_pool));
  }

  void send(service& core, result<wire::send_request> what, const question& asked) {
    if (!check(what))
      return;
    auto sent = core.send_message(asked.tenant, what->to, std::move(what->value));
    if (check(sent))
      answer(wire::encode_sent(response(), *sent));
  }

  void set_value(service& core, result<wire::set_value_request> what, const question& asked) {
    if (check(what))
      core.store().set(asked.tenant, std::move(what->key), std::move(what->json), what->ttl,
                       to<done>(encode_nothing));
  }

  void list_pools(service& core, const question& asked) {
    auto ok = wire::decode_empty(message::list_pools_request, asked.request, asked.bytes);
    if (!check(ok))
      return;
    core.list_session_pools(asked.tenant,
                            to<std::vector<session_pool_info>>(
                                [routes = core.routes(asked.tenant)](
                                    wire::codec as, const std::vector<session_pool_info>& all) {
                                  return wire::encode_pools(as, all, routes);
                                }));
  }

  void create_namespace(service& core, result<namespace_request> what, const question& asked) {
    if (!check(what))
      return;
    what->request_id = asked.request_id;
    if (auto ok = settle_owner(what->owner, asked); !check(ok))
      return;
    core.create_namespace(asked.tenant, *std::move(what),
                          to<namespace_info>(wire::encode_namespace));
  }

  void answer_call(service& core, result<wire::answer_request> what, const question& asked) {
    if (!check(what))
      return;
    if (auto ok = core.functions().answer(asked.tenant, what->call, std::move(what->with));
        check(ok))
      answer(encode_nothing(response(), done{}));
  }

  static result<std::string> encode_nothing(wire::codec as, done) {
    return std::string{as == wire::codec::json ? "{}" : ""};
  }

  template <class T>
  bool check(result<T>& decoded) {
    if (!decoded)
      refuse(std::move(decoded).why());
    return static_cast<bool>(decoded);
  }

  template <class T, class Encode>
  reply<T> to(Encode encode) {
    return answering<T>(shared_from_this(), encode);
  }
};

} // namespace

std::shared_ptr<basic_call> begin_simple(const context& with, const question& asked,
                                         std::shared_ptr<asker> who, std::uint64_t tag) {
  auto made = std::make_shared<simple_call>(std::move(who), tag, asked.response);
  made->begin(with, asked);
  return made;
}

} // namespace vivarium::rpc
