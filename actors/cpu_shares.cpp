// SPDX-License-Identifier: Apache-2.0
#include "actors/cpu_shares.hpp"

#include "sandbox/attest.hpp"
#include "sandbox/tighten.hpp"

#include <boost/asio/post.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <thread>
#include <utility>

#include <unistd.h>

namespace vivarium {

using sandbox::standing;
using std::chrono::duration_cast;
using std::chrono::microseconds;

namespace {

// Where the kernel groups by session, that of a pool; see sandbox::niceness_of.
constexpr int least_nice = 19;
// A thread that a session leaves behind can compute, too.
constexpr std::size_t quiet_looks = 16;
constexpr auto not_quiet = microseconds{5'000};

template <class T>
std::vector<std::shared_ptr<T>> living(std::vector<std::weak_ptr<T>>& list) {
  std::vector<std::shared_ptr<T>> out;
  out.reserve(list.size());
  for (const auto& each : list)
    if (auto one = each.lock())
      out.push_back(std::move(one));
  return out;
}

} // namespace

cpu_user::~cpu_user() {
  shares_.charge(*this);
  --shares_.live_;
}

void cpu_user::stir() {
  stirred_ = true;
  shares_.active_.push_back(weak_from_this());
  shares_.arm();
}

void cpu_pool::asked_by(const std::string& tenant) {
  ++asked_[tenant];
  users_.insert(tenant);
  shares_.arm();
}

void cpu_pool::starting() {
  if (std::exchange(where_, standing::usual) == standing::usual)
    return;
  if (sandbox::parent_of(launcher_) == outer_)
    if (auto ok = shares_.how_.put(launcher_, where_); !ok)
      spdlog::warn("a launcher: {}", ok.why().detail);
}

void cpu_pool::made(pid_t worker, std::uint32_t generation) {
  if (generation <= generation_)
    return;
  generation_ = generation;
  auto zygote = sandbox::parent_of(worker);
  launcher_ = sandbox::child_of(outer_);
  zygote_ = launcher_ > 0 && sandbox::parent_of(zygote) == launcher_ ? zygote : 0;
  seen_ = shares_.used_by(*this); // What importing took was for nobody.
  where_ = standing::usual;       // as it was started
  grouped_ = false;
  shares_.place(*this);
}

cpu_shares::cpu_shares(boost::asio::io_context& reactor, observer& told, sandbox::priorities how,
                       cpu_share_settings with)
    : timer_{reactor}, told_{told}, how_{std::move(how)}, with_{std::move(with)},
      balance_{std::max(1u, std::thread::hardware_concurrency()),
               // Half of the processors would be lost to whoever is alone.
               how_.power() == sandbox::priority_power::processors
                   ? cpu_balance::when_alone::usual
                   : cpu_balance::when_alone::behind} {}

cpu_balance::party& cpu_shares::party_of(const std::string& tenant) {
  auto& one = balance_.of(tenant);
  one.weight = with_.weight_of(tenant); // It may be another since a reload.
  return one;
}

std::shared_ptr<cpu_user> cpu_shares::add(const std::string& tenant, pid_t worker, int listener,
                                          int niceness, bool children) {
  auto one = std::make_shared<cpu_user>(*this, party_of(tenant), worker, listener, children);
  if (auto ok = sandbox::make_nicer(worker, niceness); !ok)
    spdlog::warn("a worker of tenant {}: {}", tenant, ok.why().detail);
  // It came as its zygote is, which may stand elsewhere than its tenant now.
  one->where_ = wanted(one->of_);
  if (auto ok = how_.put_single(worker, one->where_); !ok)
    spdlog::warn("a worker of tenant {}: {}", tenant, ok.why().detail);
  if (one->where_ != standing::usual)
    displaced_.push_back(one);
  ++live_;
  if (all_.size() > 2 * live_ + quiet_looks)
    std::erase_if(all_, [](const auto& each) { return each.expired(); });
  all_.push_back(one);
  return one;
}

std::shared_ptr<cpu_pool> cpu_shares::add_pool(pid_t outer) {
  auto one = std::make_shared<cpu_pool>(*this, outer);
  pools_.push_back(one);
  return one;
}

void cpu_shares::charge(cpu_user& one) {
  auto used = one.counted_ ? cpu_used_by(*one.counted_) : sandbox::cpu_time_of(one.pid_);
  if (!used || *used <= one.seen_)
    return;
  one.of_.charged += *used - one.seen_;
  one.seen_ = *used;
}

microseconds cpu_shares::used_by(const cpu_pool& one) {
  microseconds used{};
  for (auto pid : {one.launcher_, one.zygote_})
    if (pid > 0)
      used += sandbox::cpu_time_of(pid).value_or(microseconds{});
  return used;
}

void cpu_shares::charge(cpu_pool& one) {
  auto used = used_by(one);
  auto fresh = used - std::min(used, one.seen_);
  one.seen_ = std::max(used, one.seen_);
  unsigned all = 0;
  for (const auto& [tenant, times] : one.asked_)
    all += times;
  for (const auto& [tenant, times] : one.asked_)
    party_of(tenant).charged += fresh * times / all;
  one.asked_.clear();
}

standing cpu_shares::wanted(const cpu_balance::party& of) const noexcept {
  if (!with_.enforced)
    return standing::usual;
  if (of.behind)
    return with_.put_group ? standing::usual : standing::behind;
  return balance_.anybody_behind() && how_.power() == sandbox::priority_power::processors
             ? standing::ahead
             : standing::usual;
}

void cpu_shares::place(cpu_user& one) {
  auto where = wanted(one.of_);
  if (where == one.where_)
    return;
  if (moves_left_ == 0) {
    hurry_ = true;
    return;
  }
  --moves_left_;
  auto before = std::exchange(one.where_, where);
  // A pid that is somebody else's by now must not be touched.
  if (!sandbox::worker_has_ended(one.listener_))
    put(one);
  if (before == standing::usual)
    displaced_.push_back(one.weak_from_this());
}

void cpu_shares::put(const cpu_user& one) {
  auto tell = [name = one.of_.name](const status& ok) {
    if (!ok)
      spdlog::warn("a worker of tenant {}: {}", name, ok.why().detail);
  };
  tell(how_.put(one.pid_, one.where_));
  if (!one.family_)
    return;
  if (!crowds_)
    crowds_.emplace(1);
  boost::asio::post(*crowds_, [how = how_, tell, where = one.where_, family = one.family_] {
    for (auto pid : family->members())
      tell(how.put(pid, where));
  });
}

// A pool is behind when all are who use it; so are the workers that it makes then.
void cpu_shares::place(cpu_pool& one) {
  if (!with_.enforced)
    return;
  bool behind = !one.users_.empty()
                && std::all_of(one.users_.begin(), one.users_.end(),
                               [this](const auto& tenant) {
                                 const auto& of = balance_.of(tenant);
                                 return of.behind || !of.present();
                               })
                && std::any_of(one.users_.begin(), one.users_.end(),
                               [this](const auto& tenant) { return balance_.of(tenant).behind; });
  auto where = behind ? standing::behind : standing::usual;
  if (std::exchange(one.where_, where) != where) {
    one.grouped_ = false;
    for (auto [pid, parent] :
         {std::pair{one.launcher_, one.outer_}, std::pair{one.zygote_, one.launcher_}})
      if (pid > 0 && sandbox::parent_of(pid) == parent)
        if (auto ok = how_.put(pid, where); !ok)
          spdlog::warn("a zygote: {}", ok.why().detail);
  }
  if (one.grouped_ || one.launcher_ == 0 || sandbox::parent_of(one.launcher_) != one.outer_)
    return;
  unsigned weight = 1;
  for (const auto& tenant : one.users_)
    weight = std::max(weight, with_.weight_of(tenant));
  auto ok =
      sandbox::make_group_nice(one.launcher_, behind ? least_nice : sandbox::niceness_of(weight));
  one.grouped_ = ok || ok.why().code != errc::limit_exceeded; // else at the next look
  if (!ok && one.grouped_)
    spdlog::debug("the kernel's group of a pool: {}", ok.why().detail);
}

void cpu_shares::look_at_users() {
  auto count = std::min(active_.size(), with_.looks);
  recent_.assign(active_.begin(), active_.begin() + static_cast<std::ptrdiff_t>(count));
  active_.erase(active_.begin(), active_.begin() + static_cast<std::ptrdiff_t>(count));
  for (const auto& each : recent_) {
    auto one = each.lock();
    if (!one)
      continue;
    auto before = one->seen_;
    charge(*one);
    one->stirred_ = one->busy_ || one->seen_ - before > not_quiet;
    if (one->stirred_)
      active_.push_back(each);
  }
}

void cpu_shares::look_at_quiet_ones() {
  for (std::size_t n = 0; n < quiet_looks && !all_.empty(); ++n) {
    next_quiet_ = next_quiet_ < all_.size() ? next_quiet_ : 0;
    auto one = all_[next_quiet_].lock();
    if (!one) {
      all_[next_quiet_] = std::move(all_.back());
      all_.pop_back();
      continue;
    }
    ++next_quiet_;
    auto before = one->seen_;
    if (one->stirred_)
      continue;
    charge(*one);
    if (one->seen_ - before > not_quiet)
      one->stir();
  }
}

void cpu_shares::look_at_pools() {
  std::erase_if(pools_, [](const auto& one) { return one.expired(); });
  for (const auto& one : living(pools_))
    charge(*one);
}

// What the daemon has done is everybody's by the number of their requests.
void cpu_shares::share_daemon() {
  auto used = sandbox::cpu_time_of(::getpid()).value_or(own_seen_);
  auto fresh = used - std::exchange(own_seen_, used);
  std::uint64_t all = 0;
  std::vector<std::pair<cpu_balance::party*, std::uint64_t>> parts;
  for (auto& [name, one] : balance_.parties()) {
    auto now = with_.requests_of(name);
    auto more = now - std::exchange(one.requests, now);
    all += more;
    if (more > 0)
      parts.emplace_back(&one, more);
  }
  for (auto [one, more] : parts)
    one->charged += fresh * more / all;
}

void cpu_shares::settle(clock_type::time_point now) {
  auto window = duration_cast<microseconds>(now - std::exchange(settled_, now));
  for (const auto& [name, one] : balance_.parties())
    if (one.charged.count() > 0)
      told_.cpu_used(name, one.charged);
  auto changed = balance_.settle(window);
  if (!with_.enforced)
    return;
  for (auto* one : changed) {
    told_.tenant_stands(one->name, one->behind);
    spdlog::debug("tenant {} {}", one->name, one->behind ? "is behind" : "is behind no more");
    if (with_.put_group)
      with_.put_group(one->name, one->behind);
  }
  for (const auto& one : living(pools_))
    place(*one);
}

// Those who have waited for it longest come first. What waits is done soon.
void cpu_shares::move_back() {
  auto displaced = std::exchange(displaced_, {});
  for (const auto& one : living(displaced)) {
    place(*one);
    if (one->where_ != standing::usual)
      displaced_.push_back(one->weak_from_this());
  }
}

void cpu_shares::look(clock_type::time_point now) {
  moves_left_ = with_.moves;
  hurry_ = false;
  // One in between only goes on where the last one ended.
  if (now - settled_ >= with_.interval / 2) {
    look_at_users();
    look_at_quiet_ones();
    look_at_pools();
    share_daemon();
    settle(now);
  }
  move_back();
  for (const auto& each : recent_)
    if (auto one = each.lock(); one && !hurry_)
      place(*one);
}

void cpu_shares::arm() {
  if (std::exchange(armed_, true))
    return;
  if (auto now = clock_type::now(); now - settled_ > 2 * with_.interval) {
    settled_ = now - with_.interval; // It rested meanwhile.
    own_seen_ = sandbox::cpu_time_of(::getpid()).value_or(own_seen_);
  }
  timer_.expires_after(hurry_ ? with_.soon : with_.interval);
  timer_.async_wait([this](boost::system::error_code ec) {
    if (ec)
      return;
    armed_ = false;
    look();
    if (!active_.empty() || !displaced_.empty() || hurry_ || !balance_.at_rest())
      arm();
  });
}

} // namespace vivarium
