// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/capabilities.hpp"
#include "actors/circuit.hpp"
#include "actors/egress_policy.hpp"
#include "actors/environment.hpp"
#include "actors/heartbeat_settings.hpp"
#include "actors/mail_limits.hpp"
#include "actors/session_limits.hpp"
#include "actors/watch_settings.hpp"
#include "sandbox/cgroup.hpp"
#include "sandbox/limits.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace vivarium {

/// What one tenant may have and use. A figure of 0 stands for what holds for all, or for no bound
/// where there is none for all.
struct tenant_settings {
  std::size_t sessions = 0;                          ///< Else settings::max_sessions.
  std::size_t executions = 0;                        ///< At once, those that wait included.
  std::size_t connections = 0;                       ///< At once.
  std::size_t requests_per_second = 0;               ///< On average.
  std::size_t burst = 0;                             ///< Else as many as may come in a second.
  std::uint64_t memory_bytes = 0;                    ///< Limits of all its sessions together.
  unsigned cpu_weight = 100;                         ///< Against that of others, from 1 to 10,000.
  std::optional<std::set<std::string>> environments; ///< Absent: all.
  std::optional<std::set<std::string>> egress;       ///< Policies it may ask for; absent: all.
  std::optional<std::set<std::string>> databases;    ///< That it may ask for; absent: all.
  std::optional<std::uint64_t> store_bytes;          ///< Else store_settings::tenant_bytes.
  std::optional<std::uint64_t> store_keys;           ///< Else store_settings::tenant_keys.
  std::uint64_t group_memory = 0;                    ///< Of its control group, where there is one.
  std::uint64_t group_pids = 0;                      ///< The same of processes and threads.
  std::uint64_t volumes_bytes = 1ull << 30;          ///< Of all its volumes together.
  process_mode processes = process_mode::children;   ///< At most, where the environment has them.
  std::string trust_group;                           ///< Whose zygotes it shares; else none's.
  bool register_environments = false;                ///< Of its own, from packages that are wheels.
  bool warm = false;                    ///< Start the pools of eager environments with the daemon.
  std::chrono::milliseconds timeout{0}; ///< Else settings::timeout.
  std::chrono::milliseconds max_timeout{0}; ///< Else settings::max_timeout.
  std::string timeout_profile; ///< Of settings::timeout_profiles, for requests that name none.
  std::optional<limit_maxima> limits_max; ///< Of its sessions, where less than for all.
  /// Session pools by module, or by dotted name of a function, for calls that say nothing else.
  std::map<std::string, std::string> routes;
};

/// A session pool of the configuration, see session_pool.hpp.
struct session_pool_settings {
  std::size_t sessions = 4;
  std::size_t queue = 1'000;     ///< Executions that may wait, of each tenant.
  std::set<std::string> tenants; ///< Each of which has one of its own; empty: all.
  std::string trust_group;       ///< Whose tenants share one; empty: nobody shares.
  bool eager = true;             ///< Made with the daemon, where it is known for whom.
  /// A session is replaced when it is so old, or has run so much; 0: never.
  std::chrono::milliseconds max_age{0};
  std::uint64_t max_executions = 0;
  std::string environment;
  std::string egress;
  std::optional<process_mode> processes;
  std::string init; ///< Source that each session runs before its first call.
  limits_request limits;
};

/// A volume that is kept in a bucket, see volume_store.hpp.
struct s3_volume {
  std::string source;   ///< "bucket/prefix"
  std::string endpoint; ///< URL; empty: that of AWS.
  std::string region;
  std::string access_key;
  std::string secret_key;
  std::set<std::string> tenants; ///< Who may use it.
  bool write = false;
  std::uint64_t max_bytes = 256ull << 20;
  std::chrono::milliseconds timeout{60'000}; ///< Of a transfer.
};

/// Deadlines that a request can ask for by one name; 0 is the longest one allowed.
struct timeout_profile {
  std::chrono::milliseconds call{0};
  std::chrono::milliseconds stream{0}; ///< Of a whole stream.
};

/// Bounds on what is asked of an application. In a plan 0 stands for what holds for all.
struct app_limits {
  std::size_t concurrent = 0;                   ///< Requests at once.
  std::uint64_t body_bytes = 0;                 ///< Of a request.
  std::chrono::milliseconds request_timeout{0}; ///< Of a request in all.
  std::chrono::milliseconds idle_timeout{0};    ///< Until something comes that is awaited.
};

/// The tenant that everybody is where nobody has to say who they are.
inline constexpr const char* local_tenant = "local";

/// What the actors need of the configuration. Values; checked by whoever parsed them.
struct settings {
  std::map<std::string, environment_settings> environments;   ///< By name; holds "default".
  std::map<std::string, egress_policy> egress;                ///< By name; sessions ask for one.
  std::map<std::string, session_pool_settings> session_pools; ///< By name.
  std::map<std::string, tenant_settings> tenants; ///< By name; holds "local" when nobody is asked.
  mail_limits mail;
  std::map<std::string, database_settings> databases; ///< By name; sessions ask for one.
  store_settings store;
  std::string launcher;          ///< Path of vivarium-zygote.
  std::string runtime;           ///< Directory with the native module and its package.
  session_limits limits;         ///< Of sessions that ask for nothing else.
  limit_maxima limits_max;       ///< What a session may ask for.
  watch_settings watch;          ///< How workers are looked at.
  heartbeat_settings heartbeats; ///< How those that owe an answer are asked whether they live.
  circuit_settings breaker;      ///< When environments that do not start are not tried any more.
  sandbox::worker_limits sealed; ///< What workers come with: as wide as any session may have.
  bool fair_cpu = true; ///< Tenants that use more than their part of the processors stand back.
  sandbox::cgroup_choice cgroup;
  std::optional<std::uint32_t> session_cpu_percent; ///< Where there are control groups.
  sandbox::layer_set without;                       ///< sandbox.allow_degraded
  std::uint32_t uid_base = 1'879'048'192;

  std::size_t pool_ready = 8;       ///< Workers kept ready per environment.
  std::size_t pool_low = 2;         ///< Below this a refill is not deferred for a busy core.
  std::size_t max_workers = 10'000; ///< In all.
  /// One that has stood ready for so long is replaced; 0: never.
  std::chrono::milliseconds worker_max_age{0};
  std::size_t hash_seeds = 8; ///< Pools at once whose zygotes have a hash seed.
  /// After so long without a session a pool that was started on first use ends its jail.
  std::chrono::milliseconds pool_idle_retire{600'000};
  std::chrono::seconds zygote_max_age{3600};
  std::uint64_t zygote_max_forks = 100'000;
  std::chrono::milliseconds zygote_timeout{60'000}; ///< For a zygote to import what it preloads.
  std::chrono::seconds start_timeout{30};           ///< For a session to get its worker.

  app_limits apps{.concurrent = 1'000,
                  .body_bytes = 64u << 20,
                  .request_timeout = std::chrono::milliseconds{1'800'000},
                  .idle_timeout = std::chrono::milliseconds{120'000}};
  std::size_t max_apps = 100;                ///< Per tenant.
  /// A session that an application owns is replaced when it is so old, or was asked so much; 0:
  /// never.
  std::chrono::milliseconds app_worker_max_age{0};
  std::uint64_t app_worker_max_requests = 0;
  std::string app_domain = "apps.localhost"; ///< Below which applications have host names.

  std::size_t max_sessions = 10'000;    ///< Per tenant.
  std::size_t queue_bytes = 256u << 20; ///< Of sources and operands that wait, per tenant.
  std::chrono::milliseconds timeout{120'000};
  std::chrono::milliseconds max_timeout{86'400'000};
  std::map<std::string, timeout_profile> timeout_profiles; ///< Beside "default".
  std::chrono::milliseconds grace{1'000};
  std::chrono::milliseconds idle_timeout{3'600'000};
  std::chrono::milliseconds stream_timeout{1'800'000}; ///< Of a whole stream.
  std::chrono::milliseconds stream_idle{120'000};      ///< Until an item comes that was asked for.
  std::chrono::milliseconds init_timeout{60'000};
  std::chrono::milliseconds callback_timeout{60'000}; ///< For an answer of the application.
  std::chrono::seconds log_ttl{600};
  std::size_t kept_executions = 100; ///< Ended executions kept per session, whatever their age.
  std::size_t source_bytes = 16u << 20;

  std::string state_dir;                        ///< Where volumes are kept; empty: there are none.
  std::uint64_t transaction_bytes = 1ull << 30; ///< That all transactions copy, together.
  std::uint64_t volume_bytes = 256ull << 20;    ///< Of a volume that does not say.
  std::map<std::string, s3_volume> s3_volumes;  ///< By name.
};

/// Decides whether a tenant's session may have the egress policy that it asks for.
[[nodiscard]] status may_use_egress(const settings& config, const std::string& tenant,
                                    const std::string& policy);
/// Decides what processes a tenant's session has; `most` is what its environment offers, `wish`
/// what it asks for, if anything.
[[nodiscard]] result<process_mode> may_have_processes(const settings& config,
                                                      const std::string& tenant,
                                                      const std::string& environment,
                                                      process_mode most,
                                                      std::optional<process_mode> wish);

} // namespace vivarium
