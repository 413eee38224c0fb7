// SPDX-License-Identifier: Apache-2.0
#include "actors/allowance.hpp"

#include <algorithm>
#include <utility>

namespace vivarium {

namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t mib = 1u << 20;
// Nobody can tell when somebody else's work will end; who asks again sooner asks in vain.
constexpr std::chrono::milliseconds usual_wait = 1s;

std::size_t index(quota which) noexcept {
  return static_cast<std::size_t>(which);
}

std::string text_of(quota which, const std::string& tenant, std::uint64_t current,
                    std::uint64_t maximum) {
  auto option = " (tenants." + tenant + "." + std::string{name_of(which)} + ")";
  auto most = std::to_string(maximum);
  if (which == quota::requests)
    return "the tenant may make " + most + " requests a second" + option;
  if (which == quota::memory)
    return "the limits of the tenant's sessions are " + std::to_string(current / mib)
           + " MiB together, the maximum is " + std::to_string(maximum / mib) + " MiB" + option;
  return "the tenant has " + std::to_string(current) + " " + std::string{name_of(which)}
         + ", the maximum is " + most + option;
}

} // namespace

std::string_view name_of(quota which) noexcept {
  switch (which) {
    case quota::requests: return "requests_per_second";
    case quota::executions: return "executions";
    case quota::sessions: return "sessions";
    case quota::memory: return "memory";
    case quota::connections: return "connections";
  }
  return "";
}

allowance::allowance(std::string tenant, const tenant_settings& may, std::size_t max_sessions,
                     observer& watch)
    : tenant_{std::move(tenant)}, watch_{watch} {
  for (auto& each : used_)
    each = std::make_shared<std::uint64_t>(0);
  retune(may, max_sessions);
}

void allowance::retune(const tenant_settings& may, std::size_t max_sessions) {
  most_[index(quota::executions)] = may.executions;
  most_[index(quota::connections)] = may.connections;
  most_[index(quota::sessions)] = may.sessions > 0 ? may.sessions : max_sessions;
  most_[index(quota::memory)] = may.memory_bytes;
  auto burst = may.burst > 0 ? may.burst : may.requests_per_second;
  if (std::exchange(per_second_, may.requests_per_second) == may.requests_per_second
      && std::exchange(burst_, burst) == burst)
    return; // Reading the same figures again gives no new burst.
  burst_ = burst;
  gate_.reset();
  if (per_second_ > 0)
    gate_.emplace(per_second_, burst_);
}

status allowance::requests(clock::time_point now, std::size_t count, std::string_view request_id) {
  asked_ += count;
  if (!gate_ || gate_->enter(now, count))
    return done{};
  auto wait = std::chrono::ceil<std::chrono::milliseconds>(gate_->wait(now, count));
  return refuse(quota::requests, burst_ - gate_->free(now), per_second_, std::max(wait, 1ms),
                request_id);
}

result<quota_hold> allowance::execution(std::string_view request_id) {
  return take(quota::executions, 1, request_id);
}
result<quota_hold> allowance::connection(std::string_view request_id) {
  return take(quota::connections, 1, request_id);
}
result<quota_hold> allowance::session(std::string_view request_id) {
  return take(quota::sessions, 1, request_id);
}
result<quota_hold> allowance::memory(std::uint64_t bytes, std::string_view request_id) {
  return take(quota::memory, bytes, request_id);
}

result<quota_hold> allowance::take(quota which, std::uint64_t amount, std::string_view request_id) {
  auto most = most_[index(which)];
  const auto& used = used_of(which);
  if (most > 0 && (amount > most || *used > most - amount))
    return refuse(which, *used, most, usual_wait, request_id);
  return quota_hold{used, amount};
}

error allowance::refuse(quota which, std::uint64_t current, std::uint64_t maximum,
                        std::chrono::milliseconds retry_after, std::string_view request_id) {
  auto name = name_of(which);
  watch_.quota_refused(tenant_, name);
  watch_.audit(audit_event::quota_refused, {tenant_, {}, request_id},
               {{"quota", name},
                {"current", static_cast<std::int64_t>(current)},
                {"maximum", static_cast<std::int64_t>(maximum)}});
  error out{errc::limit_exceeded, text_of(which, tenant_, current, maximum)};
  out.quota = {name, current, maximum, retry_after};
  return out;
}

} // namespace vivarium
