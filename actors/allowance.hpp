// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/observer.hpp"
#include "actors/quota_hold.hpp"
#include "actors/rate_gate.hpp"
#include "actors/settings.hpp"
#include "proto/result.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <string>

namespace vivarium {

/// What a tenant can meet the end of. The names are those of its configuration.
enum class quota : std::uint8_t { requests, executions, sessions, memory, connections };
inline constexpr std::size_t quota_count = 5;
[[nodiscard]] std::string_view name_of(quota which) noexcept;

/// What one tenant uses and may use. It says yes or no at once: nobody ever waits in it, and it
/// costs an addition, no lock and no message. Outlives the tenant's actor, so that a restart
/// forgets nothing. Reactor thread.
class allowance {
public:
  using clock = rate_gate::clock;

  allowance(std::string tenant, const tenant_settings& may, std::size_t max_sessions,
            observer& watch);

  /// Takes other figures; what is in use beyond them is left alone.
  void retune(const tenant_settings& may, std::size_t max_sessions);

  /// So many requests, or items of a batch, have come. `request_id`, here and below: of the one
  /// that is refused, for the audit log.
  [[nodiscard]] status requests(clock::time_point now, std::size_t count = 1,
                                std::string_view request_id = {});
  /// One more of what is given back when the hold ends.
  [[nodiscard]] result<quota_hold> execution(std::string_view request_id = {});
  [[nodiscard]] result<quota_hold> connection(std::string_view request_id = {});
  [[nodiscard]] result<quota_hold> session(std::string_view request_id = {});
  [[nodiscard]] result<quota_hold> memory(std::uint64_t bytes, std::string_view request_id = {});

  /// How many requests have come, ever.
  [[nodiscard]] std::uint64_t asked() const noexcept { return asked_; }
  [[nodiscard]] std::uint64_t used(quota which) const noexcept { return *used_of(which); }

private:
  const std::shared_ptr<std::uint64_t>& used_of(quota which) const noexcept {
    return used_[static_cast<std::size_t>(which)];
  }
  result<quota_hold> take(quota which, std::uint64_t amount, std::string_view request_id);
  error refuse(quota which, std::uint64_t current, std::uint64_t maximum,
               std::chrono::milliseconds retry_after, std::string_view request_id);

  std::string tenant_;
  observer& watch_;
  std::optional<rate_gate> gate_;
  std::size_t per_second_ = 0;
  std::size_t burst_ = 0;
  std::uint64_t asked_ = 0;
  std::array<std::uint64_t, quota_count> most_{}; ///< 0: no bound.
  std::array<std::shared_ptr<std::uint64_t>, quota_count> used_;
};

} // namespace vivarium
