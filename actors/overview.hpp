// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/execution.hpp"
#include "actors/service.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

// What an administrator is told of what there is: values.
namespace vivarium {

/// How firmly something is to be stopped.
enum class stop_mode : std::uint8_t { interrupt, kill };

/// Which part of a list is wanted: so many entries after one, in the order of tenants and keys.
struct overview_part {
  std::string tenant = {}; ///< Of that one only; empty for all.
  std::string after_tenant = {};
  std::string after_key = {};
  std::size_t most = 100;
  bool ended = false; ///< Of executions: also those that have ended.
};

/// A part of a list, and where the next one begins.
template <class T>
struct overview_page {
  std::vector<T> entries;
  bool more = false; ///< There may be more, after these:
  std::string after_tenant = {};
  std::string after_key = {};
};

/// What a tenant has and may have; a maximum of 0 is none.
struct tenant_overview {
  std::string name;
  std::uint64_t sessions = 0;
  std::uint64_t most_sessions = 0;
  std::uint64_t executions = 0; ///< That run or wait.
  std::uint64_t most_executions = 0;
  std::uint64_t connections = 0;
  std::uint64_t most_connections = 0;
  std::uint64_t memory_bytes = 0; ///< Limits of its sessions together.
  std::uint64_t most_memory_bytes = 0;
  std::uint64_t requests = 0;
};

/// Numbers equal vivarium.v1.SessionUse.
enum class session_use : std::uint8_t { own = 1, one_shot = 2, pool = 3 };

struct session_overview {
  std::string tenant;
  session_info info;
  session_use use = session_use::own;
  std::uint64_t executions = 0; ///< That run or wait in it.
};

struct execution_overview {
  std::string tenant;
  std::string id;
  std::string session_id;
  std::string session_name;
  std::string pool;
  execution::state state = execution::state::queued;
  std::chrono::microseconds age{};
  std::chrono::microseconds running{};
  bool stream = false;
  std::string request_id;
};

struct worker_pool_overview {
  std::string environment;
  std::string group;
  bool serves = false;
  bool dormant = false;
  std::uint32_t generation = 0;
  std::chrono::milliseconds zygote_age{};
  std::uint64_t forks = 0;
  std::size_t ready = 0;
  std::size_t lent = 0;
  std::size_t coming = 0;
  std::size_t waiting = 0;
  std::string trouble;
};

struct session_pool_overview {
  std::string tenant; ///< That its sessions are of.
  session_pool_info info;
};

/// Of all tenants together.
struct daemon_figures {
  std::uint64_t tenants = 0;
  std::uint64_t sessions = 0;
  std::uint64_t executions = 0;
  std::uint64_t connections = 0;
  std::uint64_t workers = 0;
  std::uint64_t workers_ready = 0;
};

struct stop_outcome {
  bool stopped = false; ///< It had not ended before.
  std::string tenant;
};

struct recycle_outcome {
  std::uint32_t pools = 0;
  std::uint32_t workers = 0;
};

} // namespace vivarium
