// SPDX-License-Identifier: Apache-2.0
#include "actors/circuit.hpp"

#include <algorithm>
#include <utility>

namespace vivarium {

namespace {

// For whoever is refused while others try: soon it will be known.
constexpr std::chrono::milliseconds probe_takes{1'000};

} // namespace

std::string_view name_of(circuit_state state) noexcept {
  switch (state) {
    case circuit_state::closed: return "closed";
    case circuit_state::half_open: return "half_open";
    case circuit_state::open: return "open";
  }
  return "unknown";
}

circuit_state circuit::state(clock::time_point now) const noexcept {
  if (!tripped_)
    return circuit_state::closed;
  return now < until_ ? circuit_state::open : circuit_state::half_open;
}

result<circuit::pass> circuit::enter(clock::time_point now, std::string_view of) {
  if (!tripped_)
    return pass{};
  // A start may take hours, by its client's will; the others do not wait for that.
  std::erase_if(
      probes_, [&](const auto& one) { return one.held.expired() || now - one.since >= how_.open; });
  if (now < until_ || probes_.size() >= how_.probes)
    return refusal(now, of);
  pass made = std::make_shared<char>();
  probes_.push_back({made, now});
  return made;
}

error circuit::refusal(clock::time_point now, std::string_view of) const {
  using std::chrono::milliseconds;
  auto left = std::max(std::chrono::ceil<milliseconds>(until_ - now), milliseconds{0});
  std::string text{of};
  text += " has failed to start " + std::to_string(failures_) + " times in a row; ";
  text += left.count() > 0 ? "it is tried again in " + std::to_string(left.count()) + " ms"
                           : "it is being tried again";
  text += " (breaker.failures, breaker.open). The last time: " + why_;
  return error{errc::circuit_open,
               std::move(text),
               {},
               {"circuit", failures_, how_.failures, std::max(left, probe_takes)}};
}

bool circuit::failed(clock::time_point now, std::string why) {
  if (how_.failures == 0)
    return false;
  ++failures_;
  why_ = std::move(why);
  if (failures_ < how_.failures || (tripped_ && now < until_))
    return false;
  tripped_ = true;
  until_ = now + how_.open;
  return true;
}

bool circuit::close(std::size_t failures) noexcept {
  failures_ = failures;
  probes_.clear();
  until_ = {};
  return std::exchange(tripped_, false);
}

bool circuit::started() noexcept {
  return tripped_ && close(how_.failures - 1);
}

bool circuit::proven() noexcept {
  return close(0);
}

} // namespace vivarium
