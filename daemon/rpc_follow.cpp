// SPDX-License-Identifier: Apache-2.0
#include "daemon/rpc_calls.hpp"

#include <algorithm>
#include <utility>

namespace vivarium::rpc {

namespace {

/// Follow: reads an execution's log from a position of its own. It holds no events: a slow client
/// finds in the log what is left of it, and is told how much it missed.
class follow_call final : public basic_call,
                          public follower,
                          public std::enable_shared_from_this<follow_call> {
public:
  follow_call(const context& with, const std::string& tenant, std::shared_ptr<asker> who,
              std::uint64_t tag, wire::codec response)
      : basic_call{std::move(who), tag, response}, core_{with.core}, aside_{with.aside},
        tenant_{tenant} {}

  void begin(const question& asked) {
    auto what = wire::decode_follow(asked.request, asked.bytes);
    if (!what) {
      refuse(std::move(what).why());
      return;
    }
    position_ = what->from;
    core_.find_execution(
        tenant_, what->execution,
        reply<execution_ptr>{[self = shared_from_this()](result<execution_ptr> found) {
          self->found(std::move(found));
        }});
  }

  void on_progress(execution&) override { tell_ready(); }

  std::optional<result<piece>> next(std::uint64_t credit) override {
    if (!source_ || ended_ || credit == 0 || writing_)
      return std::nullopt;
    if (auto made = std::exchange(made_, std::nullopt)) {
      ended_ = last_;
      return piece_of(*std::move(made));
    }
    const auto& log = source_->log();
    auto first = source_->first_held();
    std::uint64_t lost = position_ < first ? first - position_ : 0;
    auto at = std::max(position_, first);
    if (at > source_->last_sequence()) {
      ended_ = source_->end().has_value();
      return std::nullopt;
    }
    const auto& what = log[static_cast<std::size_t>(at - first)];
    if (what.what == event::kind::verdict && !source_->end())
      return std::nullopt; // It is being written just now.
    position_ = at + 1;
    last_ = what.what == event::kind::verdict;
    auto size = last_ ? size_of(*source_) : what.data.size();
    if (response() == wire::codec::json && size >= long_json) {
      write_aside(what, lost);
      return std::nullopt;
    }
    ended_ = last_;
    return piece_of(wire::encode_follow(response(), *source_, what, lost));
  }

  [[nodiscard]] bool ended() const noexcept override { return ended_; }

  void abandon() override {
    basic_call::abandon();
    leave();
    if (source_ && !source_->end() && !source_->has_followers())
      core_.abandon(tenant_, source_);
  }

  void give_up() override {
    basic_call::give_up();
    leave();
  }

private:
  static result<piece> piece_of(result<std::string> body) {
    if (!body)
      return std::move(body).why();
    return piece{*std::move(body)};
  }

  /// The log may drop the event meanwhile, so that it is copied; of the execution only what does
  /// not change any more is looked at.
  void write_aside(const event& what, std::uint64_t lost) {
    writing_ = true;
    auto out = std::make_shared<std::optional<result<std::string>>>();
    aside_.run([out, as = response(), source = source_, what,
                lost] { out->emplace(wire::encode_follow(as, *source, what, lost)); },
               [self = shared_from_this(), out] {
                 self->writing_ = false;
                 self->made_ = *std::move(*out);
                 self->tell_ready();
               });
  }

  void found(result<execution_ptr> what) {
    if (!what) {
      refuse(std::move(what).why());
      return;
    }
    if (over())
      return;
    source_ = *std::move(what);
    if (!source_->end())
      source_->subscribe(shared_from_this());
    tell_ready();
  }

  void leave() {
    if (source_)
      source_->unsubscribe(this);
  }

  service& core_;
  side_thread& aside_;
  std::string tenant_;
  execution_ptr source_;
  std::uint64_t position_ = 1;
  std::optional<result<std::string>> made_; // An event that was written beside the reactor.
  bool writing_ = false;
  bool last_ = false; // The event that was met last is the verdict.
  bool ended_ = false;
};

} // namespace

std::shared_ptr<basic_call> begin_follow(const context& with, const question& asked,
                                         std::shared_ptr<asker> who, std::uint64_t tag) {
  auto made =
      std::make_shared<follow_call>(with, asked.tenant, std::move(who), tag, asked.response);
  made->begin(asked);
  return made;
}

} // namespace vivarium::rpc
