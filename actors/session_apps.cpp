// SPDX-License-Identifier: Apache-2.0

// The part of a session that passes on what follows the beginning of a request to an application.

#include "actors/session_core.hpp"

#include <algorithm>
#include <utility>

namespace vivarium {

namespace {

// Of input that the worker's pipe does not take: clients are not read from then, however many.
constexpr std::size_t most_unread = 4u << 20;

} // namespace

std::size_t app_feed::weight() const noexcept {
  using kinds = bridge::app_input::input_kind;
  bool message = kind == kinds::text || kind == kinds::binary;
  return message ? std::max<std::size_t>(content.size(), 1) : content.size();
}

void session_core::feed(const execution_ptr& what, app_feed more) {
  if (what->end())
    return;
  if (what->number == 0) // Who feeds keeps to bridge::app_input_window.
    what->early_input.push_back(std::move(more));
  else if (find(what->number) != nullptr)
    send_feed(*what, std::move(more));
}

void session_core::send_feed(execution& what, app_feed more) {
  what.input_sent += more.weight();
  (void)bridge::append_app_input(worker_->outgoing(),
                                 {what.number, more.kind, more.code, more.content});
  unflushed_ = true;
  if (worker_->unsent() < most_unread || what.input_stalled)
    return;
  // Nobody's client is read from, or each of them could add its piece.
  for (auto& flight : sent_)
    stall(*flight.what);
  for (auto& [number, flight] : parked_)
    stall(*flight.what);
  for (const auto& what : waiting_)
    stall(*what);
}

void session_core::stall(execution& what) {
  if (what.input_stalled || what.request().mode != bridge::run_mode::app_request)
    return;
  what.input_stalled = true;
  stalled_.push_back(what.shared_from_this());
}

// The worker has read a good part of it.
void session_core::end_stalls() {
  if (stalled_.empty() || (worker_ && worker_->unsent() >= most_unread))
    return;
  for (const auto& what : std::exchange(stalled_, {})) {
    what->input_stalled = false;
    what->input_wanted();
  }
}

bool session_core::handle_app_taken(std::string_view body) {
  auto message = bridge::decode_app_taken(body);
  auto* flight = message ? find(message->execution) : nullptr;
  if (flight == nullptr) {
    violated(message ? "input is taken by an execution that does not run" : message.why().detail);
    return false;
  }
  auto& what = *flight->what;
  if (message->bytes > what.input_sent - what.input_taken) {
    violated("more input is taken than was sent");
    return false;
  }
  what.input_taken += message->bytes;
  what.input_wanted();
  return true;
}

} // namespace vivarium
