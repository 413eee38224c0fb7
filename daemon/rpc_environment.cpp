// SPDX-License-Identifier: Apache-2.0
#include "daemon/environment_desk.hpp"
#include "daemon/rpc_calls.hpp"
#include "daemon/wire_environment.hpp"

#include <utility>

namespace vivarium::rpc {

namespace {

using wire::message;

error no_desk() {
  return error{errc::unimplemented, "this daemon builds no environments"};
}

/// BuildEnvironment: the log of a build from its first line on, then the environment.
class build_call final : public basic_call, public std::enable_shared_from_this<build_call> {
public:
  using basic_call::basic_call;
  build_call(const build_call&) = delete;
  build_call& operator=(const build_call&) = delete;
  ~build_call() override { leave(); }

  void begin(const context& with, const question& asked) {
    auto what = wire::decode_build_environment(asked.request, asked.bytes);
    if (!what) {
      refuse(std::move(what).why());
      return;
    }
    auto build = with.environments->build({asked.tenant, asked.admin}, *what);
    if (!build) {
      refuse(std::move(build).why());
      return;
    }
    build_ = *std::move(build);
    watcher_ = build_->watch([weak = weak_from_this()] {
      if (auto self = weak.lock())
        self->tell_ready();
    });
  }

  std::optional<result<piece>> next(std::uint64_t credit) override {
    if (!build_ || ended_ || credit == 0)
      return std::nullopt;
    if (const auto* line = build_->line(line_)) {
      ++line_;
      return piece_of(wire::encode_build_line(response(), *line));
    }
    const auto& end = build_->end();
    if (!end)
      return std::nullopt;
    ended_ = true;
    if (!*end)
      return end->why();
    return piece_of(wire::encode_built(response(), **end));
  }

  [[nodiscard]] bool ended() const noexcept override { return ended_; }

  void abandon() override {
    basic_call::abandon();
    leave();
  }

  void give_up() override {
    leave();
    basic_call::give_up();
  }

private:
  static result<piece> piece_of(result<std::string> body) {
    if (!body)
      return std::move(body).why();
    return piece{*std::move(body)};
  }

  void leave() {
    if (auto build = std::exchange(build_, nullptr))
      build->leave(watcher_);
  }

  environment_build_ptr build_;
  std::uint64_t watcher_ = 0;
  std::size_t line_ = 0;
  bool ended_ = false;
};

class environment_call final : public basic_call,
                               public std::enable_shared_from_this<environment_call> {
public:
  using basic_call::basic_call;

  void begin(const context& with, const question& asked) {
    desk_ = with.environments;
    switch (asked.what) {
      case method::register_environment:
        return read(shared_from_this(), with.aside, asked, decode_register,
                    [this](result<environment_registration> what, const question& from) {
                      register_one(std::move(what), from);
                    });
      case method::verify_environment:
        return read(shared_from_this(), with.aside, asked, decode_verify,
                    [this](result<verify_request> what, const question& from) {
                      verify(std::move(what), from);
                    });
      case method::get_environment: return get(asked);
      case method::list_environments: return list(asked);
      default: return remove(asked);
    }
  }

private:
  static environment_asker asker_of(const question& asked) { return {asked.tenant, asked.admin}; }
  static result<environment_registration> decode_register(const question& from) {
    return wire::decode_register_environment(from.request, from.bytes);
  }
  static result<verify_request> decode_verify(const question& from) {
    return wire::decode_verify_environment(from.request, from.bytes);
  }

  template <class T>
  bool check(const T& what) {
    if (!what)
      refuse(what.why());
    return bool{what};
  }

  template <class T, class Encode>
  reply<T> to(Encode encode) {
    return reply<T>{[self = shared_from_this(), encode](result<T> told) {
      if (self->check(told))
        self->answer(encode(self->response(), *told));
    }};
  }

  void register_one(result<environment_registration> what, const question& asked) {
    if (check(what))
      desk_->register_one(asker_of(asked), *std::move(what),
                          to<environment_info>([](wire::codec as, const environment_info& made) {
                            return wire::encode_environment(message::register_environment_response,
                                                            as, made);
                          }));
  }

  void verify(result<verify_request> what, const question& asked) {
    if (check(what))
      desk_->verify(asker_of(asked), *std::move(what),
                    to<environment_verification>(wire::encode_verification));
  }

  void get(const question& asked) {
    auto name =
        wire::decode_environment_name(message::get_environment_request, asked.request, asked.bytes);
    if (!check(name))
      return;
    if (auto found = desk_->get(asker_of(asked), *name); check(found))
      answer(wire::encode_environment(message::get_environment_response, response(), *found));
  }

  void list(const question& asked) {
    if (auto ok =
            wire::decode_empty(message::list_environments_request, asked.request, asked.bytes);
        check(ok))
      answer(wire::encode_environments(response(), desk_->list(asker_of(asked))));
  }

  void remove(const question& asked) {
    auto name = wire::decode_environment_name(message::remove_environment_request, asked.request,
                                              asked.bytes);
    if (!check(name))
      return;
    if (auto ok = desk_->remove(asker_of(asked), *name); check(ok))
      answer(std::string{response() == wire::codec::json ? "{}" : ""});
  }

  environment_desk* desk_ = nullptr;
};

template <class Call>
std::shared_ptr<basic_call> begin_call(const context& with, const question& asked,
                                       std::shared_ptr<asker> who, std::uint64_t tag) {
  if (with.environments == nullptr) {
    who->refuse(tag, no_desk());
    return nullptr;
  }
  auto made = std::make_shared<Call>(std::move(who), tag, asked.response);
  made->begin(with, asked);
  return made;
}

} // namespace

std::shared_ptr<basic_call> begin_build(const context& with, const question& asked,
                                        std::shared_ptr<asker> who, std::uint64_t tag) {
  return begin_call<build_call>(with, asked, std::move(who), tag);
}

std::shared_ptr<basic_call> begin_environment(const context& with, const question& asked,
                                              std::shared_ptr<asker> who, std::uint64_t tag) {
  return begin_call<environment_call>(with, asked, std::move(who), tag);
}

} // namespace vivarium::rpc
