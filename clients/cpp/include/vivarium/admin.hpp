// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vivarium/connection.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vivarium {
inline namespace client_v1 {

/// What the daemon's log has at least; see DaemonLogLevel in admin.proto.
enum class daemon_log_level : std::uint8_t { unspecified, debug, info, warn, error };
/// How firmly something is ended; see StopMode.
enum class stop_mode : std::uint8_t { interrupt = 1, kill = 2 };
/// What a session is for; see SessionUse.
enum class session_use : std::uint8_t { unspecified, own, one_shot, pool };

/// How the daemon stands; see GetStatusResponse.
struct daemon_status {
  std::string version;
  std::chrono::system_clock::time_point started;
  bool ready = false;
  bool drained = false;
  bool stopping = false;
  std::string trouble;
  daemon_log_level level = daemon_log_level::unspecified;
  std::uint64_t tenants = 0;
  std::uint64_t sessions = 0;
  std::uint64_t executions = 0;
  std::uint64_t connections = 0;
  std::uint64_t workers = 0;
  std::uint64_t workers_ready = 0;
  std::uint32_t pid = 0;
};

/// What a tenant has and uses; a maximum of 0 is none. See TenantOverview.
struct tenant_overview {
  std::string name;
  std::uint64_t sessions = 0;
  std::uint64_t most_sessions = 0;
  std::uint64_t executions = 0;
  std::uint64_t most_executions = 0;
  std::uint64_t connections = 0;
  std::uint64_t most_connections = 0;
  std::uint64_t memory_bytes = 0;
  std::uint64_t most_memory_bytes = 0;
  std::uint64_t requests = 0;
  std::uint64_t executions_ended = 0;
  std::uint64_t executions_failed = 0;
  std::chrono::microseconds cpu{};
};

struct session_overview {
  std::string tenant;
  session_info session;
  session_use use = session_use::unspecified;
  std::chrono::microseconds worker_cpu{};
  std::uint64_t executions = 0; ///< That run or wait in it.
};

struct execution_overview {
  std::string tenant;
  std::string id;
  std::string session_id;
  std::string session_name;
  std::string pool;
  execution_info::progress state = execution_info::progress::unspecified;
  std::chrono::microseconds age{};
  std::chrono::microseconds running{};
  bool stream = false;
  std::string request_id;
};

/// See WorkerPool.
struct worker_pool_info {
  std::string environment;
  std::string group;
  bool serves = false;
  bool dormant = false;
  std::uint32_t generation = 0;
  std::chrono::milliseconds zygote_age{};
  std::uint64_t forks = 0;
  std::uint32_t ready = 0;
  std::uint32_t lent = 0;
  std::uint32_t coming = 0;
  std::uint32_t waiting = 0;
  std::string trouble;
};

struct pool_overview {
  std::string tenant;
  pool_info pool;
};

struct environment_overview {
  std::string owner; ///< Empty for everybody's.
  environment_info environment;
};

/// A part of a list; `next` is where the part after it begins, empty when this was the last.
template <class T>
struct page {
  std::vector<T> entries;
  std::string next;
};

/// Which part: so many entries at most, 1 to 1,000, 0 for 100; where the part before ended.
struct page_options {
  std::uint32_t size = 0;
  std::string from = {};
};

/// When a change of the configuration is in force; see ConfigEffect.
enum class config_effect : std::uint8_t { unspecified, now, new_sessions, restart };

/// What a reload found changed; see ConfigChange.
struct config_change {
  std::string key;
  std::string before;
  std::string after;
  config_effect effect = config_effect::unspecified;
};

struct drain_outcome {
  std::uint64_t sessions = 0; ///< That are left.
  std::uint64_t executions = 0;
};

struct stop_outcome {
  bool stopped = false; ///< It had not ended before.
  std::string tenant;
};

struct recycle_outcome {
  std::uint32_t pools = 0;
  std::uint32_t workers = 0;
};

/// What operators see and do, over all tenants. Needs a key with the role admin: without one each
/// of these throws a `request_error` of the kind permission. A handle; see AdminService in
/// admin.proto.
class admin {
public:
  [[nodiscard]] daemon_status status() const { return prepare_status().get(); }
  [[nodiscard]] page<tenant_overview> tenants(const page_options& which = {}) const {
    return prepare_tenants(which).get();
  }
  /// Of one tenant, or of all.
  [[nodiscard]] page<session_overview> sessions(const page_options& which = {},
                                                std::string_view tenant = {}) const {
    return prepare_sessions(which, tenant).get();
  }
  [[nodiscard]] page<execution_overview> executions(const page_options& which = {},
                                                    std::string_view tenant = {},
                                                    bool ended = false) const {
    return prepare_executions(which, tenant, ended).get();
  }
  [[nodiscard]] page<worker_pool_info> worker_pools(const page_options& which = {}) const {
    return prepare_worker_pools(which).get();
  }
  [[nodiscard]] page<pool_overview> pools(const page_options& which = {}) const {
    return prepare_pools(which).get();
  }
  [[nodiscard]] page<environment_overview> environments(const page_options& which = {}) const {
    return prepare_environments(which).get();
  }

  /// Has the daemon take no new sessions; what is there goes on.
  drain_outcome drain() const { return prepare_drain().get(); }
  void undrain() const { (void)prepare_undrain().get(); }
  /// Stops an execution of any tenant. Throws `not_found_error`.
  stop_outcome stop_execution(std::string_view id, stop_mode how = stop_mode::interrupt,
                              std::string_view tenant = {}) const {
    return prepare_stop_execution(id, how, tenant).get();
  }
  /// Ends a session of any tenant, by its name only with the tenant's; returns whose it was.
  std::string end_session(std::string_view session, stop_mode how = stop_mode::interrupt,
                          std::string_view tenant = {}) const {
    return prepare_end_session(session, how, tenant).get();
  }
  /// Replaces the zygotes of an environment and the workers that stand ready.
  recycle_outcome recycle(std::string_view environment, std::string_view tenant = {}) const {
    return prepare_recycle(environment, tenant).get();
  }
  /// Has the daemon read its configuration again. Throws `invalid_argument_error` with each mistake
  /// of the file on a line; then nothing has changed.
  std::vector<config_change> reload() const { return prepare_reload().get(); }
  /// Returns the level before.
  daemon_log_level set_log_level(daemon_log_level to) const {
    return prepare_set_log_level(to).get();
  }

  [[nodiscard]] request<daemon_status> prepare_status() const;
  [[nodiscard]] request<page<tenant_overview>> prepare_tenants(const page_options& which) const;
  [[nodiscard]] request<page<session_overview>> prepare_sessions(const page_options& which,
                                                                 std::string_view tenant) const;
  [[nodiscard]] request<page<execution_overview>>
  prepare_executions(const page_options& which, std::string_view tenant, bool ended) const;
  [[nodiscard]] request<page<worker_pool_info>>
  prepare_worker_pools(const page_options& which) const;
  [[nodiscard]] request<page<pool_overview>> prepare_pools(const page_options& which) const;
  [[nodiscard]] request<page<environment_overview>>
  prepare_environments(const page_options& which) const;
  [[nodiscard]] request<drain_outcome> prepare_drain() const;
  [[nodiscard]] request<done> prepare_undrain() const;
  [[nodiscard]] request<stop_outcome> prepare_stop_execution(std::string_view id, stop_mode how,
                                                             std::string_view tenant) const;
  [[nodiscard]] request<std::string> prepare_end_session(std::string_view session, stop_mode how,
                                                         std::string_view tenant) const;
  [[nodiscard]] request<recycle_outcome> prepare_recycle(std::string_view environment,
                                                         std::string_view tenant) const;
  [[nodiscard]] request<std::vector<config_change>> prepare_reload() const;
  [[nodiscard]] request<daemon_log_level> prepare_set_log_level(daemon_log_level to) const;

private:
  friend class client;
  explicit admin(std::shared_ptr<detail::core> on) : core_{std::move(on)} {}

  std::shared_ptr<detail::core> core_;
};

} // namespace client_v1
} // namespace vivarium
