// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/interfaces.hpp"
#include "actors/observer.hpp"

#include <chrono>
#include <deque>
#include <functional>
#include <string>
#include <unordered_map>

namespace vivarium {

/// How often a child may fail before its supervisor gives up, as in OTP.
struct restart_intensity {
  std::size_t restarts = 5;
  std::chrono::seconds within{10};
};

/// Decides from the times of past failures whether one more restart is within the intensity, and
/// notes it. A value, so that it can be tested without actors.
class restart_budget {
public:
  explicit restart_budget(restart_intensity allowed) noexcept : allowed_{allowed} {}
  [[nodiscard]] bool spend(clock_type::time_point now);

private:
  restart_intensity allowed_;
  std::deque<clock_type::time_point> spent_;
};

/// Memory of the supervisor.
struct supervisor_state {
  static inline const char* name = "supervisor";
  struct child {
    std::string kind;
    std::function<caf::actor()> make;
  };
  std::unordered_map<caf::actor_addr, child> children;
};

/// The root supervisor: one for one. A child that fails is made anew; one that quits in order is
/// let go. When children fail more often than `intensity` allows, `escalate` is called once: the
/// daemon ends and whoever runs it starts it afresh.
supervisor_actor::behavior_type
supervisor(supervisor_actor::stateful_pointer<supervisor_state> self, restart_intensity intensity,
           observer* watch, std::function<void()> escalate);

} // namespace vivarium
