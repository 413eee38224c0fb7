// SPDX-License-Identifier: Apache-2.0
#include "daemon/rpc_calls.hpp"

#include <deque>
#include <iterator>
#include <list>
#include <string>
#include <unordered_map>
#include <utility>

namespace vivarium::rpc {

namespace {

// Held for a client that does not take them; the switchboard bounds their bytes.
constexpr std::size_t most_calls_held = 20'000;

/// Serve: brings calls of sessions to a client, which answers them with Answer. What the client has
/// no room for waits here, within bounds; calls beyond are refused, casts are dropped and counted.
class serve_call final : public basic_call,
                         public function_host,
                         public std::enable_shared_from_this<serve_call> {
public:
  serve_call(service& core, const std::string& tenant, std::shared_ptr<asker> who,
             std::uint64_t tag, wire::codec response)
      : basic_call{std::move(who), tag, response}, core_{core}, tenant_{tenant} {}
  ~serve_call() override { leave(); }

  void begin(const question& asked) {
    auto what = wire::decode_serve(asked.request, asked.bytes);
    if (!what)
      return refuse(std::move(what).why());
    // Over a WebSocket the client's credit is all that bounds it.
    window_ = asked.credit != 0 ? wire::most_window : what->window;
    format_ = what->format;
    if (asked.scope != nullptr)
      what->what.connection = asked.scope->owner();
    auto offer = core_.functions().offer(tenant_, std::move(what->what), *this);
    if (!offer)
      return refuse(std::move(offer).why());
    offer_ = *offer;
  }

  bool on_call(const function_call_ptr& call) override {
    if (waiting_.size() >= most_calls_held)
      return false;
    waiting_.push_back(call);
    if (!call->id.empty())
      places_.emplace(call->id, std::prev(waiting_.end()));
    tell_ready();
    return true;
  }

  void on_lost() override { ++lost_; }

  void on_dropped(const std::string& id) override {
    if (auto place = places_.extract(id)) {
      waiting_.erase(place.mapped());
      return; // The client has never heard of it.
    }
    if (under_way_ > 0)
      --under_way_;
    dropped_.push_back(id);
    tell_ready();
  }

  std::optional<result<piece>> next(std::uint64_t credit) override {
    if (offer_ == 0)
      return std::nullopt;
    if (!std::exchange(introduced_, true))
      return piece{wire::encode_serving(response()), 0};
    if (!dropped_.empty()) {
      auto id = std::move(dropped_.front());
      dropped_.pop_front();
      return made(wire::encode_call_dropped(response(), id), 0);
    }
    if (waiting_.empty() || credit == 0 || under_way_ >= window_)
      return std::nullopt;
    auto call = std::move(waiting_.front());
    waiting_.pop_front();
    places_.erase(call->id);
    under_way_ += call->id.empty() ? 0 : 1;
    return made(wire::encode_function_call(response(), format_, *call, std::exchange(lost_, 0)), 1);
  }

  void on_answered() override {
    if (under_way_ > 0)
      --under_way_;
    if (!waiting_.empty())
      tell_ready();
  }

  [[nodiscard]] bool ended() const noexcept override { return ended_; }

  void abandon() override {
    basic_call::abandon();
    leave();
  }

  /// Ends the stream in order; its calls that are not answered fail.
  void give_up() override {
    leave();
    places_.clear();
    waiting_.clear();
    dropped_.clear();
    ended_ = true;
    tell_ready();
  }

private:
  void leave() {
    if (auto offer = std::exchange(offer_, 0); offer != 0)
      core_.functions().withdraw(tenant_, offer);
  }

  static std::optional<result<piece>> made(result<std::string> body, std::uint64_t used) {
    if (!body)
      return std::move(body).why();
    return piece{*std::move(body), used};
  }

  service& core_;
  std::string tenant_;
  switchboard::offer_id offer_ = 0;
  wire::result_format format_ = wire::result_format::typed;
  std::uint64_t window_ = 0;
  std::uint64_t under_way_ = 0; // Calls that the client has and has not answered.
  std::list<function_call_ptr> waiting_;
  // Where those are that can be dropped: a session may drop thousands at once, in any order.
  std::unordered_map<std::string, std::list<function_call_ptr>::iterator> places_;
  std::deque<std::string> dropped_;
  std::uint64_t lost_ = 0;
  bool introduced_ = false;
  bool ended_ = false;
};

} // namespace

std::shared_ptr<basic_call> begin_serve(const context& with, const question& asked,
                                        std::shared_ptr<asker> who, std::uint64_t tag) {
  auto made =
      std::make_shared<serve_call>(with.core, asked.tenant, std::move(who), tag, asked.response);
  made->begin(asked);
  return made;
}

} // namespace vivarium::rpc
