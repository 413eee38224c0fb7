// SPDX-License-Identifier: Apache-2.0

// The part of a session that tells whether its worker lives, and whose fault it is when it does not
// come to live.

#include "actors/session_core.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace vivarium {

namespace {

// Ends of a worker that a client has not ordered. Of those in a session that has run nothing yet,
// the cause is what is there before a client's first word: the environment.
constexpr std::array deaths{"exited",   "signal", "seccomp",      "memory",
                            "protocol", "cpu",    "unresponsive", "deadline"};
// How often a worker may have been asked without having answered yet: more than heartbeats.missed
// can be, after which it is ended.
constexpr unsigned most_asked = 128;

} // namespace

// -- as a heart, see heartbeats.hpp

bool session_core::owes() const {
  if (!worker_ || (sent_.empty() && parked_async_ == 0) || worker_->awaits_answer())
    return false;
  // What waits for somebody's answer says nothing meanwhile, and is not to blame.
  return std::none_of(calls_.begin(), calls_.end(),
                      [](const auto& call) { return call.second.blocking; });
}

std::uint64_t session_core::heard() const {
  return worker_ ? worker_->reads() : 0;
}

std::optional<std::chrono::microseconds> session_core::beaten() const {
  return cpu_used();
}

void session_core::ask() {
  asked_ = std::min(asked_ + 1, most_asked);
  ports_.interrupt(worker_number_, 0);
}

// Who is idle is not looked at by its deadlines: frames without a reason would keep the reactor
// busy unseen. A late answer has its reason; signals that became one have one answer.
bool session_core::handle_pong(std::string_view body) {
  if (!body.empty() || asked_ == 0) {
    violated("an answer that nobody asked for");
    return false;
  }
  --asked_; // That it said something is all.
  return true;
}

void session_core::stopped(cause why) {
  if (ports_.resume)
    ports_.resume([why = std::move(why)](session_core& core) { core.on_beyond(why); });
}

// -- as one of many that are started, see session_starts.hpp

bool session_core::is_environments_fault(const cause& why) const {
  if (why.what == "init")
    return environment_failed_;
  if (why.what == "unavailable")
    return starved_;
  if (why.what == "memory" && why.limit != "memory_bytes")
    return false; // Its tenant, or the machine, had none left.
  return std::find(deaths.begin(), deaths.end(), why.what) != deaths.end();
}

// What a client's execution does to its worker says nothing of the next session.
void session_core::judge_start(const cause& why) {
  auto start = std::exchange(ports_.start, nullptr);
  if (!start)
    return;
  auto clients = [](const in_flight& one) { return !one.what->request().internal; };
  bool begun = std::any_of(sent_.begin(), sent_.end(), clients) || !parked_.empty();
  if (!begun && is_environments_fault(why))
    start->failed(why.what, why.what == "init" && start_error_ ? start_error_->detail
                                                               : vivarium::describe(why));
}

void session_core::prove_start() {
  if (auto start = std::exchange(ports_.start, nullptr))
    start->proven();
}

} // namespace vivarium
