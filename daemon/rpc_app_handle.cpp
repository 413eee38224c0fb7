// SPDX-License-Identifier: Apache-2.0
#include "daemon/rpc_app_asking.hpp"

#include <utility>

namespace vivarium::rpc {

namespace {

using part_kind = app_part::part_kind;

// What is held of a response that is given in one piece.
constexpr std::size_t most_gathered = 32u << 20;

/// Handle: the whole response.
class handle_call final : public asking_call {
public:
  using asking_call::asking_call;

private:
  void on_change() override {
    if (told_)
      return;
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
            refuse(why_not(*part));
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
    if (!settled())
      return;
    told_ = true;
    const auto& source = asking_->source();
    // One that goes on is the reactor's to read.
    auto size = reply_.body.size();
    auto reply = std::make_shared<wire::app_reply>(std::move(reply_));
    answer_with(
        shared_from_this(), aside_, size,
        [as = response(), reply, id = source->id(), ended = source->end() ? source : nullptr] {
          return wire::encode_handled(wire::message::handle_response, as, *reply, id, ended.get());
        });
  }

  wire::app_reply reply_;
  bool has_head_ = false;
  bool complete_ = false;
  bool told_ = false;
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

} // namespace

std::shared_ptr<basic_call> begin_handle(const context& with, const question& asked,
                                         std::shared_ptr<asker> who, std::uint64_t tag) {
  std::shared_ptr<asking_call> made;
  if (asked.what == method::handle)
    made = std::make_shared<handle_call>(with, asked, std::move(who), tag);
  else
    made = std::make_shared<handle_stream_call>(with, asked, std::move(who), tag);
  made->begin(asked);
  return made;
}

} // namespace vivarium::rpc
