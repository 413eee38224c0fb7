// SPDX-License-Identifier: Apache-2.0
#include "daemon/rpc_calls.hpp"

#include <utility>

namespace vivarium::rpc {

namespace {

using wire::codec;

/// A question to a session's interpreter: an execution whose value is made the typed answer, and
/// whose error an error of the protocol.
class operation_call final : public basic_call,
                             public follower,
                             public std::enable_shared_from_this<operation_call> {
public:
  operation_call(service& core, const question& asked, std::shared_ptr<asker> who,
                 std::uint64_t tag)
      : basic_call{std::move(who), tag, asked.response}, core_{core}, tenant_{asked.tenant},
        what_{asked.what} {}

  void begin(const question& asked) {
    auto what = decode(asked);
    if (!what) {
      refuse(std::move(what).why());
      return;
    }
    what->request_id = asked.request_id;
    session_ = what->session;
    core_.submit(tenant_, *std::move(what),
                 reply<execution_ptr>{[self = shared_from_this()](result<execution_ptr> taken) {
                   self->submitted(std::move(taken));
                 }});
  }

  void on_progress(execution& source) override {
    if (source.end())
      settle(*source.end());
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
  static result<submission> decode(const question& asked) {
    switch (asked.what) {
      case method::release_refs: return wire::decode_release_refs(asked.request, asked.bytes);
      case method::list_variables: return wire::decode_list_variables(asked.request, asked.bytes);
      case method::get_interpreter: return wire::decode_get_interpreter(asked.request, asked.bytes);
      case method::get_memory_stats:
        return wire::decode_get_memory_stats(asked.request, asked.bytes);
      case method::collect_garbage: return wire::decode_collect_garbage(asked.request, asked.bytes);
      default: return wire::decode_set_tracemalloc(asked.request, asked.bytes);
    }
  }

  result<std::string> encode(std::string_view value) const {
    switch (what_) {
      case method::release_refs: return wire::encode_released(response(), value);
      case method::list_variables: return wire::encode_variables(response(), value);
      case method::get_interpreter: return wire::encode_interpreter(response(), value);
      case method::collect_garbage: return wire::encode_collected(response(), value);
      default: return wire::encode_tracemalloc(response(), value);
    }
  }

  void submitted(result<execution_ptr> taken) {
    if (!taken) {
      refuse(std::move(taken).why());
      return;
    }
    running_ = *std::move(taken);
    if (running_->end()) {
      settle(*running_->end());
    } else if (over()) {
      core_.abandon(tenant_, running_);
    } else {
      running_->subscribe(shared_from_this());
      if (given_up_)
        give_up();
    }
  }

  void settle(const verdict& how) {
    if (how.outcome != verdict::kind::value)
      refuse(wire::error_of(how));
    else if (what_ == method::get_memory_stats)
      ask_kernel(how.content);
    else
      answer(encode(how.content));
  }

  /// The worker's word on its memory goes together with the kernel's.
  void ask_kernel(std::string value) {
    auto take = [self = shared_from_this(), value = std::move(value)](result<worker_memory> seen) {
      if (seen)
        self->answer(wire::encode_memory_stats(self->response(), value, *seen));
      else
        self->refuse(std::move(seen).why());
    };
    core_.memory_of(tenant_, session_, reply<worker_memory>{std::move(take)});
  }

  service& core_;
  std::string tenant_;
  std::string session_;
  execution_ptr running_;
  method what_;
  bool given_up_ = false;
};

} // namespace

std::shared_ptr<basic_call> begin_operation(const context& with, const question& asked,
                                            std::shared_ptr<asker> who, std::uint64_t tag) {
  auto made = std::make_shared<operation_call>(with.core, asked, std::move(who), tag);
  made->begin(asked);
  return made;
}

} // namespace vivarium::rpc
