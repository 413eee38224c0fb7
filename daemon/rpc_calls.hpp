// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/rpc.hpp"

#include <utility>

namespace vivarium::rpc {

/// What all kinds of calls have in common: they answer once, to an asker who may leave.
class basic_call : public call {
public:
  basic_call(std::shared_ptr<asker> who, std::uint64_t tag, wire::codec response)
      : who_{std::move(who)}, tag_{tag}, response_{response} {}

  void abandon() override { who_.reset(); }
  void give_up() override { refuse(error{errc::cancelled, "the client gave the request up"}); }
  [[nodiscard]] bool over() const noexcept { return !who_; }

protected:
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
  void tell_ready() {
    if (auto who = who_)
      who->ready(tag_);
  }
  [[nodiscard]] wire::codec response() const noexcept { return response_; }

private:
  std::shared_ptr<asker> who_;
  std::uint64_t tag_;
  wire::codec response_;
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
/// What a session's interpreter is asked beside running code.
std::shared_ptr<basic_call> begin_operation(const context& with, const question& asked,
                                            std::shared_ptr<asker> who, std::uint64_t tag);
/// Everything that is one question to the service and one answer.
std::shared_ptr<basic_call> begin_simple(const context& with, const question& asked,
                                         std::shared_ptr<asker> who, std::uint64_t tag);

} // namespace vivarium::rpc
