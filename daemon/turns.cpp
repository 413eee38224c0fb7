// SPDX-License-Identifier: Apache-2.0
#include "daemon/turns.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <vector>

namespace vivarium {

void turns::settle(party& at) const noexcept {
  auto passed = std::min<std::uint64_t>(pass_ - at.pass, at.used / at.most + 1);
  at.used -= std::min(at.used, static_cast<std::size_t>(passed) * at.most);
  at.pass = pass_;
}

bool turns::disturbed(const party& at, clock::time_point now) noexcept {
  if (latest_ != &at) {
    another_at_ = latest_at_;
    latest_ = &at;
  }
  latest_at_ = now;
  return now - another_at_ < memory;
}

bool turns::enter(party& at, clock::time_point now) {
  if (present_ < 2) {
    at.used = 0;
    return true;
  }
  settle(at);
  at.most = disturbed(at, now) ? contested : undisturbed;
  if (!posted_)
    post_pass();
  if (at.used >= at.most)
    return false;
  ++at.used;
  return true;
}

void turns::wait(party& at, std::weak_ptr<turn_taker> who) {
  at.waiting.push_back(std::move(who));
  if (!posted_)
    post_pass();
}

// A posted handler runs after all that is ready now, and before what becomes ready later.
void turns::post_pass() {
  posted_ = true;
  boost::asio::post(executor_, [this, alive = std::weak_ptr{alive_}] {
    if (alive.expired())
      return;
    posted_ = false;
    next_pass();
  });
}

void turns::next_pass() {
  ++pass_;
  std::vector<party*> busy;
  for (auto& [name, at] : parties_)
    if (!at.waiting.empty())
      busy.push_back(&at);
  if (busy.empty())
    return;
  // Each time another one comes first.
  std::rotate(busy.begin(), busy.begin() + static_cast<std::ptrdiff_t>(first_++ % busy.size()),
              busy.end());
  for (auto* at : busy) {
    settle(*at);
    // Those that wait now; they may come to wait again.
    for (auto left = at->waiting.size(); left > 0 && at->used < at->most; --left) {
      auto who = at->waiting.front().lock();
      at->waiting.pop_front();
      if (who)
        who->take_turn();
    }
  }
  bool more =
      std::any_of(busy.begin(), busy.end(), [](const party* at) { return !at->waiting.empty(); });
  if (more && !posted_)
    post_pass();
}

} // namespace vivarium
