// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/rpc.hpp"

#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace vivarium::rpc {

/// A question that is kept while it is being read beside the reactor.
struct kept_question {
  explicit kept_question(const question& from)
      : tenant{from.tenant}, request_id{from.request_id}, bytes{from.bytes},
        defaults{from.defaults != nullptr ? std::optional{*from.defaults} : std::nullopt},
        asked{from.what,   from.request, from.response,
              tenant,      request_id,   bytes,
              from.admin,  from.scope,   defaults ? &*defaults : nullptr,
              from.credit, {},           from.trace} {}
  kept_question(const kept_question&) = delete;
  kept_question& operator=(const kept_question&) = delete;

  std::string tenant;
  std::string request_id;
  std::string bytes;
  std::optional<wire::defaults> defaults;
  question asked;
};

/// What all kinds of calls have in common: they answer once, to an asker who may leave.
class basic_call : public call {
public:
  basic_call(std::shared_ptr<asker> who, std::uint64_t tag, wire::codec response)
      : who_{std::move(who)}, tag_{tag}, response_{response} {}

  void abandon() override { who_.reset(); }
  void give_up() override { refuse(error{errc::cancelled, "the client gave the request up"}); }
  [[nodiscard]] bool over() const noexcept { return !who_; }
  [[nodiscard]] bool preparing() const noexcept override { return preparing_; }

protected:
  /// Calls `then(decode(question), question)`, for a long request when it has been decoded beside
  /// the reactor, and then only if the call is not over. `self` keeps this call alive.
  template <class Decode, class Then>
  void read(std::shared_ptr<void> self, side_thread& aside, const question& asked, Decode decode,
            Then then) {
    if (asked.request != wire::codec::json || asked.bytes.size() < long_json) {
      then(decode(asked), asked);
      return;
    }
    preparing_ = true;
    auto kept = std::make_shared<kept_question>(asked);
    auto out = std::make_shared<std::optional<decltype(decode(asked))>>();
    aside.run([kept, out, decode] { out->emplace(decode(kept->asked)); },
              [this, self = std::move(self), who = who_, kept, out, then] {
                preparing_ = false;
                if (!over())
                  then(*std::move(*out), kept->asked);
                who->prepared(tag_);
              });
  }
  /// Answers with `encode()`, which for a long answer is called beside the reactor. `size` is about
  /// that of what goes into it.
  template <class Encode>
  void answer_with(std::shared_ptr<void> self, side_thread& aside, std::size_t size,
                   Encode encode) {
    if (size < long_json) {
      answer(encode());
      return;
    }
    auto out = std::make_shared<std::optional<result<std::string>>>();
    aside.run([out, encode] { out->emplace(encode()); },
              [this, self = std::move(self), out] { answer(*std::move(*out)); });
  }
  /// The size that counts there of an execution that has ended: nothing where its value is passed
  /// on as it is.
  [[nodiscard]] std::size_t size_of(const execution& ended) const noexcept {
    bool json = response_ == wire::codec::json || ended.request().as_json;
    return json ? ended.end()->content.size() + ended.log_bytes() : 0;
  }
  void answer(result<std::string> body) {
    if (!body)
      refuse(std::move(body).why());
    else if (auto who = std::exchange(who_, nullptr))
      who->answer(tag_, *std::move(body));
  }
  void refuse(error why) {
    if (auto who = std::exchange(who_, nullptr))
      who->refuse(tag_, std::move(why));
  }
  /// Answers with `encode(codec, outcome)`, or refuses. `self` keeps this call alive.
  template <class T, class Encode>
  reply<T> answering(std::shared_ptr<void> self, Encode encode) {
    return reply<T>{[this, self = std::move(self), encode](result<T> outcome) {
      if (!outcome)
        refuse(std::move(outcome).why());
      else if (!over())
        answer(encode(response_, *outcome));
    }};
  }
  void tell_ready() {
    if (auto who = who_)
      who->ready(tag_);
  }
  [[nodiscard]] wire::codec response() const noexcept { return response_; }

private:
  std::shared_ptr<asker> who_;
  std::uint64_t tag_;
  wire::codec response_;
  bool preparing_ = false;
};

/// Puts the asker in where the connection that asks is meant; over HTTP that is an error.
[[nodiscard]] status settle_owner(std::uint64_t& owner, const question& asked);
/// Adds to what was decoded what the asker says of it.
[[nodiscard]] status settle(submission& what, const question& asked);

/// Eval and Call.
std::shared_ptr<basic_call> begin_eval(const context& with, const question& asked,
                                       std::shared_ptr<asker> who, std::uint64_t tag);
std::shared_ptr<basic_call> begin_wait(const context& with, const question& asked,
                                       std::shared_ptr<asker> who, std::uint64_t tag);
std::shared_ptr<basic_call> begin_follow(const context& with, const question& asked,
                                         std::shared_ptr<asker> who, std::uint64_t tag);
std::shared_ptr<basic_call> begin_stream(const context& with, const question& asked,
                                         std::shared_ptr<asker> who, std::uint64_t tag);
std::shared_ptr<basic_call> begin_batch(const context& with, const question& asked,
                                        std::shared_ptr<asker> who, std::uint64_t tag);
std::shared_ptr<basic_call> begin_serve(const context& with, const question& asked,
                                        std::shared_ptr<asker> who, std::uint64_t tag);
/// Web applications.
std::shared_ptr<basic_call> begin_app(const context& with, const question& asked,
                                      std::shared_ptr<asker> who, std::uint64_t tag);
/// Messages to a client.
std::shared_ptr<basic_call> begin_receive(const context& with, const question& asked,
                                          std::shared_ptr<asker> who, std::uint64_t tag);
/// Builds an environment, streaming its log.
std::shared_ptr<basic_call> begin_build(const context& with, const question& asked,
                                        std::shared_ptr<asker> who, std::uint64_t tag);
/// All else about environments.
std::shared_ptr<basic_call> begin_environment(const context& with, const question& asked,
                                              std::shared_ptr<asker> who, std::uint64_t tag);
/// What a session's interpreter is asked beside running code.
std::shared_ptr<basic_call> begin_operation(const context& with, const question& asked,
                                            std::shared_ptr<asker> who, std::uint64_t tag);
/// Files and volumes.
std::shared_ptr<basic_call> begin_file(const context& with, const question& asked,
                                       std::shared_ptr<asker> who, std::uint64_t tag);
/// What only administrators may; refuses all others.
std::shared_ptr<basic_call> begin_admin(const context& with, const question& asked,
                                        std::shared_ptr<asker> who, std::uint64_t tag);
/// Everything that is one question to the service and one answer.
std::shared_ptr<basic_call> begin_simple(const context& with, const question& asked,
                                         std::shared_ptr<asker> who, std::uint64_t tag);

} // namespace vivarium::rpc
