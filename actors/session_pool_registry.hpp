// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/interfaces.hpp"
#include "actors/settings.hpp"

#include <boost/asio/io_context.hpp>
#include <caf/fwd.hpp>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

namespace vivarium {

/// Which session pools there are, and who may use them. Pools of the configuration are made with
/// the daemon or on first use; clients make more, each tenant its own. Reactor thread.
class session_pool_registry {
public:
  /// What it needs of the service. References outlive it.
  struct surroundings {
    boost::asio::io_context& reactor;
    const settings& config;
    observer& watch;
    caf::actor_system& system;
    std::function<supervisor_actor()> root;
    std::function<tenant_actor(const std::string&)> tenant;
    std::function<std::string(const std::string&)> group; ///< Trust group of a tenant.
  };

  explicit session_pool_registry(surroundings around) : around_{std::move(around)} {}
  session_pool_registry(const session_pool_registry&) = delete;
  session_pool_registry& operator=(const session_pool_registry&) = delete;

  /// Makes the pools that start with the daemon.
  void start();
  /// The pool that a tenant means by a name. One of another tenant is not there.
  [[nodiscard]] result<runner_actor> find(const std::string& tenant, const std::string& name);
  void create(const std::string& tenant, session_pool_plan what,
              const reply<session_pool_info>& to);
  void list(const std::string& tenant, const reply<std::vector<session_pool_info>>& to);
  [[nodiscard]] status close(const std::string& tenant, const std::string& name);

  [[nodiscard]] status set_routes(const std::string& tenant,
                                  std::map<std::string, std::string> routes);
  [[nodiscard]] std::map<std::string, std::string> routes(const std::string& tenant) const;
  /// Where a function, a dotted name that begins with its module, is routed to: the longest route
  /// that it is, or is in; empty when there is none.
  [[nodiscard]] std::string route(const std::string& tenant, const std::string& function) const;

  /// Whether the pool that a tenant means by a name is there already.
  [[nodiscard]] bool is_made(const std::string& tenant, const std::string& name) const {
    return pools_.contains(key_of(tenant, name));
  }
  /// Calls `tell` for each that is there: the tenant that its sessions are of, its name.
  void each(const std::function<void(const std::string&, const std::string&,
                                     const session_pool_actor&)>& tell) const {
    for (const auto& [which, one] : pools_)
      tell(which.first, which.second, one.handle);
  }

  /// No pool takes anything more; each ends when it is through.
  void drain();
  /// Ends all of them at once, for the end of the actor system.
  void clear();

  /// The tenant that the sessions of a shared pool are of. No configured tenant has such a name.
  [[nodiscard]] static std::string host_of(const std::string& trust_group) {
    return "group:" + trust_group;
  }
  /// The trust group that such a tenant stands for; empty for all others.
  [[nodiscard]] static std::string group_of_host(const std::string& tenant) {
    return tenant.starts_with("group:") ? tenant.substr(6) : std::string{};
  }

private:
  /// Tenant that the sessions are of, and name.
  using key = std::pair<std::string, std::string>;
  struct entry {
    session_pool_actor handle;
    session_pool_plan plan;
  };

  [[nodiscard]] bool visible(const std::string& tenant, const session_pool_settings& pool) const;
  [[nodiscard]] key key_of(const std::string& tenant, const std::string& name) const;
  [[nodiscard]] session_pool_plan plan_of(const key& which) const;
  session_pool_actor make(session_pool_plan plan);
  session_pool_actor spawn(const key& which);
  [[nodiscard]] error no_such_pool(const std::string& name) const;

  surroundings around_;
  std::map<key, entry> pools_;
  std::map<std::string, std::map<std::string, std::string>> routes_; // by tenant, set by clients
};

} // namespace vivarium
