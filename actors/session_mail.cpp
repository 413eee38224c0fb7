// SPDX-License-Identifier: Apache-2.0

// The part of a session through which its code sends messages and receives them. To receive is a
// call that the daemon answers itself, once there is a message: so it waits, times out and is given
// up like any other, from whatever thread or task.

#include "actors/session_core.hpp"
#include "bridge/value_view.hpp"
#include "bridge/value_writer.hpp"

#include <array>
#include <utility>

namespace vivarium {

namespace {

std::string encode(const mailbox::delivery& what) {
  using bridge::int_value;
  using bridge::text_value;
  return bridge::dict_value(std::array<std::pair<std::string, std::string>, 5>{{
      {"content", what.what->value},
      {"sender", text_value(what.what->sender)},
      {"to", text_value(what.what->destination)},
      {"sequence", int_value(static_cast<std::int64_t>(what.sequence))},
      {"lost_before", int_value(static_cast<std::int64_t>(what.lost_before))},
  }});
}

} // namespace

void session_core::open_mailbox() {
  if (one_shot_ || !ports_.open_mailbox) // A one-shot has no id that anyone was told.
    return;
  auto made = ports_.open_mailbox({info_.id, info_.name});
  if (made)
    inbox_ = *std::move(made);
  else // It works without; who sends to it finds nobody.
    watch_.limit_reached(tenant_, info_.environment, "mailboxes");
}

void session_core::send_message(const bridge::host_call& message) {
  // The arguments, which have been checked: the content is the first of the positional ones.
  bridge::field_walk parts{bridge::value_view::open(message.operands).content};
  bool sent = false;
  if (parts.next() && ports_.publish) {
    bridge::field_walk content{bridge::value_view::open(parts.content()).content};
    sent =
        content.next() && ports_.publish(std::string{message.name}, std::string{content.content()});
  }
  if (!sent)
    watch_.host_called(tenant_, info_.environment, "message_lost", {});
}

void session_core::receive(std::uint64_t number, open_call call) {
  call.mail = true;
  next_call_deadline_ = std::min(next_call_deadline_, call.deadline);
  wake_by(call.deadline);
  calls_.emplace(number, std::move(call));
  receiving_.insert(number);
  on_mail();
}

void session_core::on_mail() {
  while (inbox_ && !inbox_->empty() && !receiving_.empty()) {
    auto number = *receiving_.begin();
    receiving_.erase(receiving_.begin());
    auto call = calls_.extract(number);
    auto got = inbox_->take();
    if (call && got)
      answer_call(number, call.mapped(), {bridge::host_result::outcome::value, encode(*got)});
  }
}

} // namespace vivarium
