// SPDX-License-Identifier: Apache-2.0
#include "daemon/rpc_calls.hpp"

#include <boost/asio/steady_timer.hpp>

#include <utility>

namespace vivarium::rpc {

namespace {

/// Wait: answers with the verdict, or without one when the time is up.
class wait_call final : public basic_call,
                        public follower,
                        public std::enable_shared_from_this<wait_call> {
public:
  wait_call(const context& with, std::shared_ptr<asker> who, std::uint64_t tag,
            wire::codec response)
      : basic_call{std::move(who), tag, response}, core_{with.core}, aside_{with.aside},
        timer_{with.executor} {}

  void begin(const question& asked) {
    auto what = wire::decode_wait(asked.request, asked.bytes);
    if (!what) {
      refuse(std::move(what).why());
      return;
    }
    timeout_ = what->timeout;
    core_.find_execution(
        asked.tenant, what->execution,
        reply<execution_ptr>{[self = shared_from_this()](result<execution_ptr> found) {
          self->found(std::move(found));
        }});
  }

  void on_progress(execution& source) override {
    if (source.end())
      settle(source.shared_from_this());
  }

  void abandon() override {
    basic_call::abandon();
    leave();
  }

  void give_up() override {
    basic_call::give_up();
    leave();
  }

private:
  void found(result<execution_ptr> what) {
    if (!what) {
      refuse(std::move(what).why());
      return;
    }
    if ((*what)->end() || timeout_.count() == 0) {
      settle(*what);
      return;
    }
    if (over())
      return;
    awaited_ = *std::move(what);
    awaited_->subscribe(shared_from_this());
    timer_.expires_after(timeout_);
    timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& why) {
      auto self = weak.lock();
      if (self && !why && self->awaited_)
        self->settle(self->awaited_);
    });
  }

  void settle(const execution_ptr& source) {
    auto size = source->end() ? size_of(*source) : 0;
    answer_with(shared_from_this(), aside_, size,
                [as = response(), source] { return wire::encode_wait(as, *source); });
    leave();
  }

  void leave() {
    timer_.cancel();
    if (auto left = std::exchange(awaited_, nullptr))
      left->unsubscribe(this);
  }

  service& core_;
  side_thread& aside_;
  boost::asio::steady_timer timer_;
  std::chrono::milliseconds timeout_{0};
  execution_ptr awaited_;
};

} // namespace

std::shared_ptr<basic_call> begin_wait(const context& with, const question& asked,
                                       std::shared_ptr<asker> who, std::uint64_t tag) {
  auto made = std::make_shared<wait_call>(with, std::move(who), tag, asked.response);
  made->begin(asked);
  return made;
}

} // namespace vivarium::rpc
