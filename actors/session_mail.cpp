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

// What the worker has not taken yet, from which on messages stay in the mailbox, which is bounded.
constexpr std::size_t most_unsent = 16u << 20;

} // namespace

void session_core::open_mailbox() {
  if (one_shot_ || !ports_.open_mailbox) // A one-shot has no id that anyone was told.
    return;
  auto made = ports_.open_mailbox({info_.id, info_.name});
  if (made)
    inbox_ = *std::move(made);
  else // It works without; who sends to it finds nobody.
    watch_.limit_reached(tenant_, label_, "mailboxes");
}

void session_core::send_message(const bridge::host_call& message) {
  // The arguments have been checked: the content is the first of the positional ones.
  bridge::field_walk parts{bridge::value_view::open(message.operands).content};
  parts.next();
  bridge::field_walk content{bridge::value_view::open(parts.content()).content};
  if (!content.next() || !publish(message.name, content.content()))
    watch_.host_called(tenant_, label_, "message_lost", {});
}

// The destination and the content are the first two of the positional arguments.
function_answer session_core::send_confirmed(std::string_view operands) {
  using outcome = bridge::host_result::outcome;
  bridge::field_walk parts{bridge::value_view::open(operands).content};
  parts.next();
  bridge::field_walk arguments{bridge::value_view::open(parts.content()).content};
  auto to = arguments.next() ? bridge::value_view::open(arguments.content()) : bridge::value_view{};
  if (to.kind != bridge::value_kind::text || !arguments.next())
    return {outcome::not_found, "a message needs the name of its destination and a content"};
  auto sent = publish(to.content, arguments.content());
  if (!sent)
    return {outcome_of(sent.why()), sent.why().detail};
  return {outcome::value, bridge::int_value(static_cast<std::int64_t>(*sent))};
}

result<std::uint64_t> session_core::publish(std::string_view to, std::string_view content) {
  if (!ports_.publish)
    return error{errc::not_found, "there is nobody to send to"};
  return ports_.publish(std::string{to}, std::string{content});
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
  while (inbox_ && !inbox_->empty() && !receiving_.empty() && worker_
         && worker_->unsent() <= most_unsent) {
    auto number = *receiving_.begin();
    receiving_.erase(receiving_.begin());
    auto call = calls_.extract(number);
    auto got = inbox_->take();
    if (call && got)
      answer_call(number, call.mapped(), {bridge::host_result::outcome::value, encode(*got)});
  }
}

} // namespace vivarium
