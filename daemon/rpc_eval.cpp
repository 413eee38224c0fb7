// SPDX-License-Identifier: Apache-2.0
#include "daemon/rpc_calls.hpp"

#include <utility>

namespace vivarium::rpc {

namespace {

/// Eval and Call: submits, waits for the verdict, folds the log into one answer.
class eval_call final : public basic_call,
                        public follower,
                        public std::enable_shared_from_this<eval_call> {
public:
  eval_call(service& core, const std::string& tenant, std::shared_ptr<asker> who, std::uint64_t tag,
            wire::codec response)
      : basic_call{std::move(who), tag, response}, core_{core}, tenant_{tenant} {}

  void begin(const question& asked) {
    auto decode = asked.what == method::call ? wire::decode_call : wire::decode_eval;
    auto what = decode(asked.request, asked.bytes, asked.defaults);
    if (!what) {
      refuse(std::move(what).why());
      return;
    }
    if (auto ok = settle(*what, asked); !ok) {
      refuse(std::move(ok).why());
      return;
    }
    core_.submit(tenant_, *std::move(what),
                 reply<execution_ptr>{[self = shared_from_this()](result<execution_ptr> taken) {
                   self->submitted(std::move(taken));
                 }});
  }

  void on_progress(execution& source) override {
    if (source.end())
      answer(wire::encode_eval(response(), source));
  }

  void abandon() override {
    basic_call::abandon();
    if (!running_)
      return; // `submitted` will see that nobody waits.
    running_->unsubscribe(this);
    if (!running_->end())
      core_.abandon(tenant_, running_);
  }

  void give_up() override {
    given_up_ = true;
    if (running_ && !running_->end())
      core_.cancel(tenant_, running_->id(), reply<bool>{[](result<bool>) {}});
  }

private:
  void submitted(result<execution_ptr> taken) {
    if (!taken) {
      refuse(std::move(taken).why());
      return;
    }
    running_ = *std::move(taken);
    if (running_->end()) {
      answer(wire::encode_eval(response(), *running_));
    } else if (over()) {
      core_.abandon(tenant_, running_);
    } else {
      running_->subscribe(shared_from_this());
      if (given_up_)
        give_up();
    }
  }

  service& core_;
  std::string tenant_;
  execution_ptr running_;
  bool given_up_ = false;
};

} // namespace

std::shared_ptr<basic_call> begin_eval(const context& with, const question& asked,
                                       std::shared_ptr<asker> who, std::uint64_t tag) {
  auto made =
      std::make_shared<eval_call>(with.core, asked.tenant, std::move(who), tag, asked.response);
  made->begin(asked);
  return made;
}

} // namespace vivarium::rpc
