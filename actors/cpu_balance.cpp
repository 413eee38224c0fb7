// SPDX-License-Identifier: Apache-2.0
#include "actors/cpu_balance.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace vivarium {

namespace {

constexpr double fading = 500'000; // us, by the factor e
constexpr std::chrono::seconds gone{1};
// One that is a little over its part is left alone, as two that use the same would take turns; and
// who is behind uses less for that reason alone.
constexpr double too_much = 1.2;
constexpr double little_enough = 1.0 / 3;

} // namespace

bool cpu_balance::party::present() const noexcept {
  return used >= absent || quiet_for < gone;
}

cpu_balance::party& cpu_balance::of(const std::string& tenant) {
  auto& one = parties_[tenant];
  if (one.name.empty())
    one.name = tenant;
  return one;
}

bool cpu_balance::is_behind(const party& one, double part, double part_of_all,
                            bool alone) const noexcept {
  if (one.used < modest || (alone && alone_ == when_alone::usual))
    return false;
  if (alone) // Half of all is enough to be in the way of whoever comes next.
    return one.behind || one.used > processors_ / 2;
  if (one.behind)
    return one.used > part * little_enough;
  // Those who are behind take what is left: what the others use is much only beside the machine.
  return one.used > too_much * (behind_ == 0 ? part : std::max(part, part_of_all));
}

std::vector<cpu_balance::party*> cpu_balance::settle(std::chrono::microseconds window) {
  auto passed = static_cast<double>(std::max<std::int64_t>(window.count(), 1));
  auto kept = std::exp(-passed / fading);
  double total = 0;
  double weights = 0;
  std::size_t present = 0;
  for (auto& [name, one] : parties_) {
    auto now = static_cast<double>(one.charged.count()) / passed;
    one.quiet_for = one.charged.count() > 0 ? std::chrono::microseconds{} : one.quiet_for + window;
    one.charged = {};
    one.used = one.used * kept + now * (1 - kept);
    if (!one.present())
      continue;
    ++present;
    total += one.used;
    weights += one.weight;
  }
  std::vector<party*> changed;
  std::size_t count = 0;
  for (auto& [name, one] : parties_) {
    auto share = one.weight / std::max(weights, 1.0);
    bool behind = is_behind(one, total * share, processors_ * share, present < 2);
    count += behind ? 1 : 0;
    if (std::exchange(one.behind, behind) != behind)
      changed.push_back(&one);
  }
  behind_ = count;
  return changed;
}

bool cpu_balance::at_rest() const noexcept {
  return behind_ == 0 && std::all_of(parties_.begin(), parties_.end(), [](const auto& each) {
           return each.second.used < absent;
         });
}

} // namespace vivarium
