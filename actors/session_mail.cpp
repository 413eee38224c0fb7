// SPDX-License-Identifier: Apache-2.0

// The part of a session that passes on what its code tells: messages there and back, records of its
// log, how far it has come.

#include "actors/session_core.hpp"
#include "bridge/validate.hpp"
#include "bridge/value_view.hpp"
#include "bridge/value_writer.hpp"

#include <spdlog/spdlog.h>

#include <utility>

namespace vivarium {

using namespace std::chrono_literals;
using outcome = bridge::host_result::outcome;

namespace {

constexpr std::size_t most_receiving = 1'000; // That wait for a message.
// Records of a session that reach the daemon's log in a second; its clients get all.
constexpr unsigned most_logged = 20;

// The first of the positional arguments, which is all there is; empty when it is not.
std::string_view only_argument(std::string_view operands) {
  bridge::field_walk parts{bridge::value_view::open(operands).content};
  parts.next();
  bridge::field_walk items{bridge::value_view::open(parts.content()).content};
  if (!items.next())
    return {};
  auto found = items.content();
  return items.next() ? std::string_view{} : found;
}

} // namespace

void session_core::open_mailbox() {
  if (one_shot_ || !ports_.open_mailbox)
    return; // Nobody is told the name of a one-shot.
  std::vector<std::string> names{info_.id};
  if (!info_.name.empty())
    names.push_back(info_.name);
  auto opened = ports_.open_mailbox(std::move(names));
  if (opened)
    mail_ = *std::move(opened);
  else
    spdlog::warn("session {} of tenant {} has no mailbox: {}", info_.id, tenant_,
                 opened.why().detail);
}

void session_core::send_message(const bridge::host_call& message) {
  open_call call{.id = {}, .since = clock_type::now()};
  last_call_ = message.call;
  auto content = only_argument(message.operands);
  if (content.empty())
    return violated("a message without content");
  auto put = ports_.send_message
                 ? ports_.send_message(info_.id, std::string{message.name}, std::string{content})
                 : result<std::uint64_t>{error{errc::not_found, "there is nobody to send to"}};
  if (put)
    answer_call(message.call, call,
                {outcome::value, bridge::int_value(static_cast<std::int64_t>(*put))});
  else
    answer_call(message.call, call, {outcome_of(put.why().code), put.why().detail});
}

// The first of those that wait gets the next message.
void session_core::receive_message(const bridge::host_call& message) {
  last_call_ = message.call;
  if (receiving_.size() >= most_receiving)
    return answer_call(message.call, open_call{.id = {}, .since = clock_type::now()},
                       {outcome::limit, "more than " + std::to_string(most_receiving)
                                            + " calls of this session wait for a message"});
  receiving_.push_back(message.call);
  await_call(message, {});
  on_mail();
}

void session_core::on_mail() {
  while (mail_ && !mail_->empty() && !receiving_.empty()) {
    auto call = calls_.extract(receiving_.front());
    receiving_.pop_front();
    if (!call)
      continue; // Nobody waits for it any more.
    auto next = *mail_->take();
    std::vector<std::string> parts{bridge::text_value(next.what->sender), next.what->value,
                                   bridge::int_value(static_cast<std::int64_t>(next.lost_before))};
    answer_call(call.key(), call.mapped(), {outcome::value, bridge::tuple_value(parts)});
  }
}

bool session_core::handle_note(std::string_view body) {
  auto message = bridge::decode_note(body);
  bool is_log = message && message->kind == bridge::note::note_kind::log;
  auto fine = !message ? status{message.why()}
              : is_log ? bridge::validate_log_record(message->content)
                       : bridge::validate_progress(message->content);
  if (!fine) {
    violated(fine.why().detail);
    return false;
  }
  auto* flight = message->execution == 0 ? nullptr : find(message->execution);
  if (flight != nullptr && !flight->settled)
    flight->what->append(is_log ? event::kind::log : event::kind::progress,
                         std::string{message->content});
  if (is_log)
    log_record(message->content);
  return true;
}

void session_core::log_record(std::string_view content) {
  auto now = clock_type::now();
  if (now >= log_again_at_) {
    if (unlogged_ > 0)
      spdlog::info("session {} of tenant {}: {} records of its code were not logged", info_.id,
                   tenant_, unlogged_);
    log_again_at_ = now + 1s;
    logged_ = unlogged_ = 0;
  }
  if (logged_ >= most_logged) {
    ++unlogged_;
    return;
  }
  ++logged_;
  watch_.code_logged(tenant_, info_.id, content);
}

} // namespace vivarium
