// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/allowance.hpp"
#include "actors/environment_book.hpp"
#include "actors/interfaces.hpp"
#include "actors/overview.hpp"
#include "actors/pool.hpp"
#include "actors/session_pool_registry.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace vivarium {

/// What operators see and do, over all tenants; the only place where that is possible. Whoever asks
/// has made sure that an administrator does. What is listed comes tenant after tenant, each asked
/// when its turn comes, so that no answer and no turn of the reactor grows with their number.
/// Reactor thread.
class administration {
public:
  /// A worker pool, as the service keeps it.
  struct worker_pool {
    environment_ref environment;
    std::string group;
    std::shared_ptr<pool_board> board;
    pool_actor handle;
  };

  /// What it needs of the service. References outlive it.
  struct surroundings {
    /// Name of the tenant after this one, of those that are configured or have been here; empty
    /// after the last.
    std::function<std::string(const std::string&)> next_tenant;
    std::function<bool(const std::string&)> knows_tenant;
    std::function<tenant_actor(const std::string&)> tenant; ///< Null when it has not been here.
    std::function<tenant_overview(const std::string&)> figures;
    std::function<std::vector<worker_pool>()> pools; ///< By environment and group.
    std::function<std::string(const std::string&)> group;
    const session_pool_registry& session_pools;
    const environment_book& environments;
  };

  explicit administration(surroundings around) : around_{std::move(around)} {}
  administration(const administration&) = delete;
  administration& operator=(const administration&) = delete;

  /// While it is drained, nothing gets a session but what is there and loses one.
  void drain(bool whether) noexcept { drained_ = whether; }
  [[nodiscard]] bool drained() const noexcept { return drained_; }
  /// What those are told who want a session meanwhile.
  [[nodiscard]] static error drained_error();

  [[nodiscard]] daemon_figures figures() const;
  [[nodiscard]] overview_page<tenant_overview> tenants(const overview_part& what) const;
  [[nodiscard]] overview_page<worker_pool_overview> worker_pools(const overview_part& what) const;
  void sessions(const overview_part& what, const reply<overview_page<session_overview>>& to) const;
  void executions(const overview_part& what,
                  const reply<overview_page<execution_overview>>& to) const;
  void session_pools(const overview_part& what,
                     const reply<overview_page<session_pool_overview>>& to) const;

  /// Stops an execution, by id; of any tenant when none is named.
  void stop_execution(const std::string& tenant, const std::string& id, stop_mode how,
                      const reply<stop_outcome>& to) const;
  /// Ends a session, by id, of a named tenant by name as well; answers with its tenant.
  void end_session(const std::string& tenant, const std::string& session, stop_mode how,
                   const reply<std::string>& to) const;
  /// Replaces zygotes and ready workers of an environment: those that a tenant's sessions come
  /// from, or all of one that is everybody's.
  void recycle(const std::string& tenant, const std::string& environment,
               const reply<recycle_outcome>& to) const;

private:
  surroundings around_;
  bool drained_ = false;
};

} // namespace vivarium
