// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/overview.hpp"
#include "daemon/log.hpp"
#include "daemon/use_ledger.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

// What AdminService is asked and told, as values.
namespace vivarium {

/// How the daemon stands.
struct daemon_status {
  std::string_view version;
  std::chrono::system_clock::time_point started;
  bool ready = false;
  bool drained = false;
  bool stopping = false;
  std::string trouble;
  log_level level = log_level::info;
  daemon_figures figures;
  std::int64_t pid = 0;
};

/// StopExecution and EndSession: what is to end, whose it is, and how.
struct stop_request {
  std::string subject;
  std::string tenant;
  stop_mode how = stop_mode::interrupt;
};

/// RecycleEnvironment.
struct recycle_request {
  std::string environment;
  std::string tenant;
};

} // namespace vivarium
