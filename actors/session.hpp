// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/cgroup_keeper.hpp"
#include "actors/interfaces.hpp"
#include "actors/session_capabilities.hpp"
#include "actors/session_core.hpp"
#include "actors/switchboard.hpp"
#include "actors/volume_store.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <optional>

namespace vivarium {

/// Memory of the interpreter actor.
struct session_actor_state {
  static inline const char* name = "session";
  std::optional<boost::asio::steady_timer> timer;
  worker_ptr worker; // for the readiness of its pipes
  std::optional<session_core> core;
};

/// What a session needs besides its plan. Values and references that outlive the actor system.
struct session_surroundings {
  boost::asio::io_context& reactor;
  const settings& config;
  observer& watch;
  load_gauge& load;
  resource_watch& workers;
  heartbeats& beats;
  cgroup_keeper* cgroups; ///< Null where there are none.
  cpu_shares* shares;     ///< Null where there is nothing to share.
  int niceness;           ///< Of its worker, where there is.
  egress_gate& gate;
  switchboard& functions;
  mailboxes& mail;
  std::shared_ptr<file_threads> files;
  volume_store& volumes;
  /// What its code may call beside the application, of the daemon itself.
  std::shared_ptr<session_capabilities> capabilities;
  start_watch_ptr start;            ///< May be null.
  std::function<pool_actor()> pool; ///< The pool of its environment, as it is now.
  std::function<void(session_info)> report_end;
  std::function<void(const execution_ptr&)> report_large;
};

/// The interpreter actor: a mailbox around `session_core`.
session_actor::behavior_type session(session_actor::stateful_pointer<session_actor_state> self,
                                     session_plan plan, session_surroundings around);

} // namespace vivarium
