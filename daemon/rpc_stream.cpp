// SPDX-License-Identifier: Apache-2.0
#include "daemon/rpc_calls.hpp"
#include "daemon/wire_verdict.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

namespace vivarium::rpc {

namespace {

/// Stream: reads the items of an execution from its log and orders the next round when the client
/// has taken all of the present one. So no more is ever held than one round, which bridge::pull
/// bounds, and nothing is computed that the client has no room for.
class stream_call final : public basic_call,
                          public follower,
                          public std::enable_shared_from_this<stream_call> {
public:
  stream_call(service& core, const std::string& tenant, std::shared_ptr<asker> who,
              std::uint64_t tag, wire::codec response)
      : basic_call{std::move(who), tag, response}, core_{core}, tenant_{tenant} {}

  void begin(side_thread& aside, const question& asked) {
    auto decode = [](const question& from) {
      return wire::decode_stream(from.request, from.bytes, from.defaults);
    };
    read(shared_from_this(), aside, asked, decode,
         [this](result<wire::stream_request> what, const question& from) {
           submit(std::move(what), from);
         });
  }

  void on_progress(execution&) override { tell_ready(); }

  std::optional<result<piece>> next(std::uint64_t credit) override {
    if (!source_ || ended_)
      return std::nullopt;
    if (!introduced_) {
      introduced_ = true; // At once: who wants to cancel has to know what.
      return made(wire::encode_stream_items(response(), format(), {}, source_->id()), 0);
    }
    for (;;) {
      // What is no longer held was output: items stay until they have been read.
      auto first = source_->first_held();
      if (position_ < first)
        go_to(first);
      if (position_ > source_->last_sequence()) {
        order(credit);
        return std::nullopt;
      }
      const auto& what = source_->log()[static_cast<std::size_t>(position_ - first)];
      if (what.what == event::kind::verdict)
        return last();
      if (what.what == event::kind::items && !closing_ && taken_ < what.count)
        return some(what, credit);
      go_to(position_ + 1);
    }
  }

  [[nodiscard]] bool ended() const noexcept override { return ended_; }

  void abandon() override {
    basic_call::abandon();
    if (!source_)
      return; // `submitted` will see that nobody waits.
    source_->unsubscribe(this);
    leave();
  }

  /// Ends the stream in order: what is on its way is dropped, the verdict is told.
  void give_up() override {
    closing_ = true;
    if (source_)
      close();
  }

private:
  void submit(result<wire::stream_request> what, const question& asked) {
    if (!what) {
      refuse(std::move(what).why());
      return;
    }
    if (auto ok = settle(what->what, asked); !ok) {
      refuse(std::move(ok).why());
      return;
    }
    // Over a WebSocket the client's credit is all that bounds a round, beside the worker's own
    // bytes.
    window_ = asked.credit != 0 ? wire::most_window : what->window;
    what->what.stream_credit = std::min(asked.credit != 0 ? asked.credit : window_, window_);
    core_.submit(tenant_, std::move(what->what),
                 reply<execution_ptr>{[self = shared_from_this()](result<execution_ptr> taken) {
                   self->submitted(std::move(taken));
                 }});
  }

  void submitted(result<execution_ptr> taken) {
    if (!taken) {
      refuse(std::move(taken).why());
      return;
    }
    source_ = *std::move(taken);
    if (over()) {
      leave();
      return;
    }
    source_->keep_from(position_);
    if (!source_->end())
      source_->subscribe(shared_from_this());
    if (closing_)
      close();
    tell_ready();
  }

  std::optional<result<piece>> some(const event& what, std::uint64_t credit) {
    auto count = std::min(what.count - taken_, credit);
    if (count == 0)
      return std::nullopt;
    auto rest = std::string_view{what.data}.substr(offset_);
    auto items = count == what.count ? rest : wire::take_items(rest, count);
    offset_ += items.size();
    taken_ += count;
    return made(wire::encode_stream_items(response(), format(), items, {}), count);
  }

  std::optional<result<piece>> last() {
    if (!source_->end())
      return std::nullopt; // It is being written just now.
    ended_ = true;
    return made(wire::encode_stream_end(response(), *source_, {}), 0);
  }

  static std::optional<result<piece>> made(result<std::string> body, std::uint64_t used) {
    if (!body)
      return std::move(body).why();
    return piece{*std::move(body), used};
  }

  /// The next round, when the present one is over.
  void order(std::uint64_t credit) {
    if (credit == 0 || closing_ || source_->end() || source_->rounds_done() < rounds_)
      return;
    ++rounds_;
    core_.pull(tenant_, source_, std::min(credit, window_));
  }

  /// Ends the execution in order; one that has not begun has nothing to close.
  void close() {
    if (source_->end())
      return;
    if (source_->now() == execution::state::queued)
      core_.cancel(tenant_, source_->id(), reply<bool>{[](const result<bool>&) {}});
    else
      core_.pull(tenant_, source_, 0);
  }

  /// Nobody will ever pull again: whatever the policy, the generator is closed.
  void leave() {
    source_->keep_from(execution::keep_nothing);
    if (source_->end())
      return;
    close();
    core_.abandon(tenant_, source_);
  }

  void go_to(std::uint64_t position) {
    position_ = position;
    source_->keep_from(position);
    taken_ = 0;
    offset_ = 0;
  }

  [[nodiscard]] wire::result_format format() const { return wire::format_of(response(), *source_); }

  service& core_;
  std::string tenant_;
  execution_ptr source_;
  std::uint64_t window_ = 0;
  std::uint64_t rounds_ = 1; // Ordered so far.
  std::uint64_t position_ = 1;
  std::uint64_t taken_ = 0; // Items of the event at `position_`, and their bytes.
  std::size_t offset_ = 0;
  bool introduced_ = false;
  bool closing_ = false;
  bool ended_ = false;
};

} // namespace

std::shared_ptr<basic_call> begin_stream(const context& with, const question& asked,
                                         std::shared_ptr<asker> who, std::uint64_t tag) {
  auto made =
      std::make_shared<stream_call>(with.core, asked.tenant, std::move(who), tag, asked.response);
  made->begin(with.aside, asked);
  return made;
}

} // namespace vivarium::rpc
