// SPDX-License-Identifier: Apache-2.0
#include "actors/resource_watch.hpp"

#include "sandbox/attest.hpp"

#include <algorithm>
#include <utility>

namespace vivarium {

using namespace std::chrono_literals;
using std::chrono::duration_cast;
using std::chrono::milliseconds;

namespace {

// Killing one that takes less than this gives nothing back.
constexpr std::uint64_t worth_killing = 16ull << 20;
// What was killed takes a moment to give its memory back.
constexpr auto relief = 1s;
// One session's processes may take so much of the time of the thread that looks at them: a tenth.
constexpr int family_rest = 9;

void judge(watched_worker& one, std::uint64_t taken) {
  if (!one.beyond)
    return;
  if (taken > one.memory_limit && taken - one.memory_limit > one.tolerated)
    return std::exchange(one.beyond, nullptr)(
        cause{"memory", "memory_bytes", one.memory_limit, taken, enforcer::daemon});
  if (one.cpu.count() <= 0)
    return;
  auto used = cpu_used_by(one);
  if (used && *used >= one.cpu)
    std::exchange(one.beyond, nullptr)(cause{
        "cpu", "session_cpu_ms", static_cast<std::uint64_t>(one.cpu.count()),
        static_cast<std::uint64_t>(duration_cast<milliseconds>(*used).count()), enforcer::daemon});
}

} // namespace

std::optional<std::chrono::microseconds> cpu_used_by(const watched_worker& one) {
  auto own = sandbox::cpu_time_of(one.pid);
  if (!own || !one.family)
    return own;
  // Since the last look at the family some may have ended and been waited for.
  return *own + std::max(one.all.others_cpu, sandbox::waited_cpu_of(one.pid));
}

std::uint64_t reserve_of(const sandbox::machine_memory& now, const watch_settings& how) noexcept {
  return how.reserve.value_or(std::min<std::uint64_t>(256ull << 20, now.total / 16));
}

bool is_full(const sandbox::machine_memory& now, const watch_settings& how) noexcept {
  auto reserve = reserve_of(now, how);
  return now.available < reserve || (now.stalled >= how.stalled && now.available / 4 < reserve);
}

resource_watch::resource_watch(boost::asio::io_context& reactor, observer& told, watch_settings how)
    : timer_{reactor}, told_{told}, how_{how}, families_{reactor} {}

void resource_watch::add(const ticket& one) {
  all_.push_back(one);
  arm();
}

void resource_watch::arm() {
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

void resource_watch::look() {
  auto begun = clock_type::now();
  std::erase_if(all_, [](const auto& one) { return one.expired(); });
  auto count = all_.size();
  auto left = how_.looks;
  // Each list is gone through in turns, so that a crowd delays looks and nobody escapes them.
  auto turn = [&](std::size_t& next, bool busy, std::size_t quota) {
    auto at = count > 0 ? next % count : 0;
    for (std::size_t seen = 0; seen < count && quota > 0; ++seen) {
      auto one = all_[at].lock();
      at = (at + 1) % count;
      if (!one || (one->busy || one->all.processes > 1) != busy)
        continue;
      look_at(one);
      --quota;
      --left;
    }
    next = at;
  };
  turn(next_idle_, false, std::min(left / 4, count / how_.idle_every + 1));
  turn(next_busy_, true, left);
  if (count > 0)
    look_at_machine(begun);
  told_.memory_polled(duration_cast<std::chrono::microseconds>(clock_type::now() - begun));
}

void resource_watch::look_at(const ticket& one) {
  if (!one->beyond)
    return;
  auto now = sandbox::read_memory(one->pid);
  if (!now)
    return; // It has ended; whoever holds it will hear of that.
  auto taken = now->taken() - std::min(now->taken(), one->born_with);
  one->taken = std::max(taken, one->all.memory_bytes);
  one->peak = std::max(one->peak, taken);
  judge(*one, taken);
  if (one->family)
    look_at_family(one);
}

void resource_watch::look_at_family(const ticket& one) {
  if (one->asked || clock_type::now() < one->family_not_before)
    return;
  one->asked = true;
  families_.look(one->family, [weak = std::weak_ptr{one}](const sandbox::family::usage& all,
                                                          clock_type::duration took) {
    auto self = weak.lock();
    if (!self)
      return;
    self->asked = false;
    self->family_not_before = clock_type::now() + took * family_rest;
    self->all = all;
    self->most_of_all = std::max(self->most_of_all, all.memory_bytes);
    judge(*self, all.memory_bytes);
  });
}

void resource_watch::look_at_machine(clock_type::time_point now) {
  if (now < machine_not_before_)
    return;
  auto found = sandbox::read_machine_memory();
  if (!found || !is_full(*found, how_))
    return;
  resource_watch::ticket largest;
  for (const auto& each : all_) {
    auto one = each.lock();
    if (one && one->beyond && one->taken >= worth_killing
        && (!largest || one->taken > largest->taken))
      largest = std::move(one);
  }
  if (!largest)
    return;
  machine_not_before_ = now + relief;
  std::exchange(largest->beyond, nullptr)(cause{
      "memory", "machine_memory", reserve_of(*found, how_), found->available, enforcer::daemon});
}

} // namespace vivarium
