// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/interfaces.hpp"
#include "actors/session_pool.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <optional>
#include <unordered_map>

namespace vivarium {

/// What a session pool needs besides its plan. References outlive the actor system.
struct session_pool_surroundings {
  boost::asio::io_context& reactor;
  observer& watch;
  std::function<tenant_actor()> host; ///< The tenant that makes its sessions, as it is now.
};

/// Memory of the session pool actor.
struct session_pool_state {
  static inline const char* name = "session_pool";
  /// A session; without a handle until the tenant has made it.
  struct member {
    session_actor handle;
    bool unwanted = false; // closed before it was made
  };
  std::optional<boost::asio::steady_timer> timer;
  std::unordered_map<std::uint64_t, member> members;
  std::unordered_map<caf::actor_addr, std::uint64_t> numbers;
  std::optional<session_pool_core> core; // the last: its end closes sessions
};

/// The session pool actor: a mailbox around `session_pool_core`.
session_pool_actor::behavior_type
session_pool(session_pool_actor::stateful_pointer<session_pool_state> self, session_pool_plan plan,
             session_pool_surroundings around);

} // namespace vivarium
