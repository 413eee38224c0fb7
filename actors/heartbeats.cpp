// SPDX-License-Identifier: Apache-2.0
#include "actors/heartbeats.hpp"

#include <algorithm>
#include <utility>

namespace vivarium {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

namespace {

// More than answering takes, so that what was asked is not taken for one that computes.
constexpr std::chrono::microseconds worth_living{2'000};

std::uint64_t count_of(milliseconds time) noexcept {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(time.count(), 0));
}

} // namespace

heartbeats::heartbeats(boost::asio::io_context& reactor, observer& told, heartbeat_settings how)
    : timer_{reactor}, told_{told}, how_{how} {}

void heartbeats::add(const std::shared_ptr<pulse>& one) {
  if (how_.interval.count() <= 0)
    return;
  all_.push_back(one);
  arm();
}

void heartbeats::arm() {
  if (armed_ || all_.empty())
    return;
  armed_ = true;
  timer_.expires_after(how_.interval);
  timer_.async_wait([this](boost::system::error_code ec) {
    if (ec)
      return;
    armed_ = false;
    look();
    arm();
  });
}

void heartbeats::look(clock_type::time_point now) {
  // Answers that came while the daemon itself stood still have not been read yet.
  bool late = now - looked_ > 2 * how_.interval;
  looked_ = now;
  std::size_t kept = 0;
  for (auto& each : all_) {
    auto one = each.lock();
    if (!one || one->of == nullptr)
      continue;
    look_at(*one, now, late);
    if (&all_[kept] != &each)
      all_[kept] = std::move(each);
    ++kept;
  }
  all_.resize(kept);
}

void heartbeats::look_at(pulse& one, clock_type::time_point now, bool late) {
  if (!one.of->owes()) {
    one.owed = false;
    one.asked.reset();
    one.missed = 0;
    return;
  }
  auto beaten = one.of->beaten();
  if (!beaten)
    return; // It has ended; whoever has it will hear of that.
  auto heard = one.of->heard();
  bool spoke = heard != one.heard;
  if (spoke && one.asked)
    told_.heartbeat("answered");
  bool lives = !std::exchange(one.owed, true) || spoke || *beaten - one.beaten >= worth_living;
  one.heard = heard;
  one.beaten = *beaten;
  if (lives) {
    one.since = now;
    one.asked.reset();
    one.missed = 0;
    return;
  }
  if (one.asked && late)
    one.asked = now;
  if (one.asked && now - *one.asked < how_.timeout)
    return;
  if (one.asked) {
    told_.heartbeat("missed");
    if (++one.missed >= how_.missed) {
      told_.heartbeat("ended");
      auto* whose = std::exchange(one.of, nullptr);
      return whose->stopped(cause{
          "unresponsive", "heartbeats", count_of(how_.timeout * static_cast<int>(how_.missed)),
          count_of(duration_cast<milliseconds>(now - one.since)), enforcer::daemon});
    }
  }
  told_.heartbeat("asked");
  one.asked = now;
  one.of->ask();
}

} // namespace vivarium
