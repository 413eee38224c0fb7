// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/aside.hpp"
#include "actors/egress_broker.hpp"
#include "actors/execution.hpp"
#include "proto/result.hpp"
#include "proto/unique_fd.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace vivarium {

/// Where the daemon itself connects to, for a session.
struct outbound_target {
  std::string host; ///< Canonical name or address.
  std::uint16_t port = 0;
  /// Whose addresses are allowed; null for what the operator has named, which is not checked.
  const egress_policy* policy = nullptr;
};

/// Connects. Every address that the name resolves to is checked as for a connection of the
/// session's own, and those that were checked are connected to. `permission_denied` when the policy
/// says no, `unavailable` when the network does, `deadline_exceeded`. Reactor thread.
[[nodiscard]] boost::asio::awaitable<result<unique_fd>>
connect_outbound(egress_gate& gate, outbound_target to, clock_type::time_point deadline);

/// The same; the outcome is told once, on the reactor thread.
void connect_outbound(egress_gate& gate, outbound_target to, clock_type::time_point deadline,
                      std::function<void(result<unique_fd>)> then);

/// Calls a function at a moment, unless it goes before. Reactor thread.
class alarm_clock {
public:
  alarm_clock(const boost::asio::any_io_executor& where, clock_type::time_point at,
              std::function<void()> then);
  alarm_clock(const alarm_clock&) = delete;
  alarm_clock& operator=(const alarm_clock&) = delete;
  ~alarm_clock();
  [[nodiscard]] bool rang() const noexcept { return *rang_; }

private:
  boost::asio::steady_timer timer_;
  std::shared_ptr<bool> rang_ = std::make_shared<bool>(false);
  std::shared_ptr<std::function<void()>> then_;
};

} // namespace vivarium
