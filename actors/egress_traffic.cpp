// SPDX-License-Identifier: Apache-2.0

// What goes through a session's connections, counted by the kernel and read from outside.

#include "actors/egress_broker.hpp"

#include <algorithm>
#include <utility>

#include <sys/socket.h>

namespace vivarium {

using namespace std::chrono_literals;

namespace {

// At rest the counters are read less and less, down to this.
constexpr std::chrono::milliseconds quiet_pause = 200ms;
// A descriptor on its way from one process of the session to another is in neither for a moment.
constexpr int looks_before_gone = 2;

} // namespace

void egress_broker::look_after(std::chrono::milliseconds pause) {
  pause_ = pause;
  auto when = clock_type::now() + pause;
  // Who connects without end must not put off the look at what goes through.
  if (looking_ && timer_.expiry() <= when)
    return;
  looking_ = true;
  timer_.expires_at(when);
  timer_.async_wait([weak = weak_from_this()](boost::system::error_code ec) {
    auto self = weak.lock();
    if (!self || ec)
      return;
    self->looking_ = false;
    self->look_at_connections();
  });
}

// Adds what has gone through since the last look. True: something has.
bool egress_broker::count(connection& one) {
  auto now = sandbox::traffic_of(one.socket.get());
  auto sent = now.sent - std::min(one.seen.sent, now.sent);
  auto received = now.received - std::min(one.seen.received, now.received);
  one.seen = now;
  bytes_ += sent + received;
  if (sent + received > 0)
    watch_.egress_bytes(whom_.tenant, whom_.environment, sent, received);
  return sent + received > 0;
}

void egress_broker::look_at_connections() {
  bool busy = false;
  seen_sockets seen; // Of this look: many may have been closed since the last.
  for (auto at = connections_.begin(); at != connections_.end();) {
    auto& one = *at;
    one.missed = holds(one, seen) ? 0 : one.missed + 1;
    busy = count(one) || one.missed > 0 || busy;
    if (one.missed < looks_before_gone) {
      ++at;
      continue;
    }
    // Nobody in the session has it, unless it is parked in a message: it ends for that, too.
    ::shutdown(one.socket.get(), SHUT_RDWR);
    at = connections_.erase(at);
  }
  if (bytes_ >= policy_.bytes && !connections_.empty()) {
    report(egress_outcome::byte_budget, {}, {}, {});
    spent(egress_outcome::byte_budget);
    for (const auto& one : connections_)
      ::shutdown(one.socket.get(), SHUT_RDWR);
    // The worker's ends remain until it closes them; they carry nothing any more.
    connections_.clear();
  }
  if (!connections_.empty())
    look_after(busy ? busy_pause : std::min(pause_ * 2, quiet_pause));
}

bool egress_broker::holds(connection& one, seen_sockets& seen) {
  if (sandbox::has_socket(one.process, one.inode, one.likely))
    return true;
  auto has = [&](pid_t process) {
    auto [at, fresh] = seen.try_emplace(process);
    if (fresh)
      at->second = sandbox::sockets_of(process);
    auto found = at->second.find(one.inode);
    if (found == at->second.end())
      return false;
    one.process = process;
    one.likely = found->second;
    return true;
  };
  if (has(one.process))
    return true;
  if (!family_)
    return false;
  // Another process of the session may have it by now.
  auto members = family_->members();
  return std::any_of(members.begin(), members.end(), has);
}

void egress_broker::end_connections() {
  timer_.cancel();
  looking_ = false;
  for (auto& one : connections_) {
    count(one);
    ::shutdown(one.socket.get(), SHUT_RDWR);
  }
  connections_.clear();
}

} // namespace vivarium
