// SPDX-License-Identifier: Apache-2.0
#include "actors/service.hpp"

#include "actors/asio_coordinator.hpp"
#include "actors/interfaces.hpp"
#include "actors/pool.hpp"
#include "actors/supervisor.hpp"
#include "actors/tenant.hpp"
#include "sandbox/uid_claim.hpp"

#include <caf/all.hpp>
#include <spdlog/spdlog.h>

#include <csignal>
#include <map>
#include <optional>
#include <stdexcept>
#include <utility>

namespace vivarium {

namespace {

struct system_config : caf::actor_system_config {
  explicit system_config(boost::asio::io_context& reactor) {
    asio_coordinator::load_into(*this, reactor);
  }
};

// Nothing can raise a limit of a sealed worker: it comes with the widest that any session may have.
// Its files are as large as usual, and can be made larger.
sandbox::worker_limits sealed_limits(const settings& config) {
  auto out = kernel_limits(wider(config.limits, config.limits_max));
  out.workspace_bytes = config.limits[limit::workspace];
  out.workspace_inodes = static_cast<std::uint32_t>(config.limits[limit::inodes]);
  return out;
}

// Turns of the reactor that the end may take: actors that quit need only a few.
constexpr int last_turns = 100'000;

} // namespace

struct service::impl {
  impl(boost::asio::io_context& r, settings c, observer& w,
       std::unique_ptr<sandbox::cgroup_tree> groups)
      : reactor{r}, config{std::move(c)}, watch{w}, workers{r, w, config.watch}, gate{r},
        system_settings{r}, system{system_settings} {
    config.sealed = sealed_limits(config);
    if (groups)
      cgroups.emplace(reactor, std::move(*groups));
    std::signal(SIGPIPE, SIG_IGN); // A dead worker or client is an error code, not our death.
    if (auto claimed = sandbox::uid_claim::take(config.uid_base))
      uids.emplace(std::move(*claimed));
    else
      throw std::runtime_error{claimed.why().detail};
    root = system.spawn(supervisor, restart_intensity{}, &watch, [&r] { r.stop(); });
    for (const auto& [name, environment] : config.environments)
      if (environment.eager)
        pool_of(name);
  }

  ~impl() {
    caf::anon_send_exit(root, caf::exit_reason::kill);
    for (auto& [name, handle] : tenants)
      caf::anon_send_exit(handle, caf::exit_reason::kill);
    for (auto& [name, entry] : pools)
      caf::anon_send_exit(entry.handle, caf::exit_reason::kill);
    root = nullptr;
    tenants.clear();
    pools.clear();
    // The actors need their scheduler once more to end; afterwards the system has nobody to wait
    // for.
    reactor.restart();
    for (int n = 0; n < last_turns && system.registry().running() > 0; ++n)
      if (reactor.poll_one() == 0)
        break;
  }

  pool_actor pool_of(const std::string& environment) {
    if (auto it = pools.find(environment); it != pools.end())
      return it->second.handle;
    auto& entry = pools[environment];
    entry.board = std::make_shared<pool_board>();
    if (uids)
      entry.uid_base =
          uids->base_of(static_cast<std::uint32_t>(pools.size() - 1) % sandbox::jails_per_claim);
    entry.handle = spawn_pool(environment);
    caf::anon_send(root, atom::watch_v, std::string{"pool"},
                   caf::actor_cast<caf::actor>(entry.handle),
                   std::function<caf::actor()>{[this, environment] {
                     auto& again = pools.at(environment);
                     again.handle = spawn_pool(environment);
                     return caf::actor_cast<caf::actor>(again.handle);
                   }});
    return entry.handle;
  }

  pool_actor spawn_pool(const std::string& environment) {
    auto& entry = pools.at(environment);
    *entry.board = pool_board{};
    return system.spawn(
        pool, pool_plan{reactor, config, watch, load, environment, entry.uid_base, entry.board});
  }

  tenant_actor tenant_of(const std::string& name) {
    if (auto it = tenants.find(name); it != tenants.end())
      return it->second;
    auto handle = tenants[name] = spawn_tenant(name);
    caf::anon_send(root, atom::watch_v, std::string{"tenant"}, caf::actor_cast<caf::actor>(handle),
                   std::function<caf::actor()>{[this, name] {
                     auto again = tenants[name] = spawn_tenant(name);
                     return caf::actor_cast<caf::actor>(again);
                   }});
    return handle;
  }

  tenant_actor spawn_tenant(const std::string& name) {
    return system.spawn(
        tenant,
        tenant_plan{reactor, config, watch, load, workers, cgroups ? &*cgroups : nullptr, gate,
                    name, [this](const std::string& environment) { return pool_of(environment); }});
  }

  struct pool_entry {
    pool_actor handle;
    std::shared_ptr<pool_board> board;
    std::uint32_t uid_base = 0;
  };

  /// The first pool of those that start with the daemon whose board fits; null when none does.
  template <class Fits>
  const std::pair<const std::string, pool_entry>* eager(Fits fits) const {
    for (const auto& one : pools)
      if (config.environments.at(one.first).eager && fits(*one.second.board))
        return &one;
    return nullptr;
  }

  boost::asio::io_context& reactor;
  settings config;
  observer& watch;
  load_gauge load;
  resource_watch workers;
  std::optional<cgroup_keeper> cgroups;
  egress_gate gate;
  std::optional<sandbox::uid_claim> uids;
  system_config system_settings;
  caf::actor_system system;
  supervisor_actor root;
  std::map<std::string, pool_entry> pools;
  std::map<std::string, tenant_actor> tenants;
  std::uint64_t last_owner = 0;
};

service::service(boost::asio::io_context& reactor, settings config, observer& watch,
                 std::unique_ptr<sandbox::cgroup_tree> cgroups)
    : impl_{std::make_unique<impl>(reactor, std::move(config), watch, std::move(cgroups))} {}

service::~service() = default;

void service::run() {
  dynamic_cast<asio_coordinator&>(impl_->system.scheduler()).run();
}

bool service::ready() const noexcept {
  return impl_->eager([](const pool_board& board) { return !board.serves; }) == nullptr;
}

std::string service::trouble() const {
  const auto* found = impl_->eager([](const pool_board& board) { return !board.trouble.empty(); });
  return found == nullptr
             ? ""
             : "environment '" + found->first + "' cannot start: " + found->second.board->trouble;
}

bool service::hopeless() const noexcept {
  return impl_->eager([](const pool_board& board) { return board.hopeless; }) != nullptr;
}

void service::keep_from_sessions(std::vector<sandbox::endpoint> listeners) {
  impl_->gate.own_listeners = std::move(listeners);
}

void service::submit(const std::string& tenant, submission&& what, reply<execution_ptr> to) {
  caf::anon_send(impl_->tenant_of(tenant), atom::submit_v, std::move(what), std::move(to));
}

void service::find_execution(const std::string& tenant, const std::string& id,
                             reply<execution_ptr> to) {
  caf::anon_send(impl_->tenant_of(tenant), atom::find_v, id, std::move(to));
}

void service::cancel(const std::string& tenant, const std::string& id, reply<bool> to) {
  caf::anon_send(impl_->tenant_of(tenant), atom::cancel_v, id, std::move(to));
}

void service::abandon(const std::string& tenant, const execution_ptr& what) {
  caf::anon_send(impl_->tenant_of(tenant), atom::release_v, what);
}

void service::list_executions(const std::string& tenant, const std::string& session,
                              reply<std::vector<execution_info>> to) {
  caf::anon_send(impl_->tenant_of(tenant), atom::list_v, session, std::move(to));
}

void service::compile(const std::string& tenant, submission what, reply<compiled> to) {
  caf::anon_send(impl_->tenant_of(tenant), atom::compile_v, std::move(what), std::move(to));
}

void service::create_session(const std::string& tenant, session_request what,
                             reply<session_info> to) {
  caf::anon_send(impl_->tenant_of(tenant), atom::create_v, std::move(what), std::move(to));
}

void service::get_session(const std::string& tenant, const std::string& session,
                          reply<session_info> to) {
  caf::anon_send(impl_->tenant_of(tenant), atom::describe_v, session, std::move(to));
}

void service::list_sessions(const std::string& tenant, reply<std::vector<session_info>> to) {
  caf::anon_send(impl_->tenant_of(tenant), atom::list_v, std::move(to));
}

void service::close_session(const std::string& tenant, const std::string& session, reply<done> to) {
  caf::anon_send(impl_->tenant_of(tenant), atom::close_v, session, std::move(to));
}

void service::pull(const std::string& tenant, const execution_ptr& what, std::uint64_t credit) {
  caf::anon_send(impl_->tenant_of(tenant), atom::pull_v, what, credit);
}

void service::create_namespace(const std::string& tenant, namespace_request what,
                               reply<namespace_info> to) {
  caf::anon_send(impl_->tenant_of(tenant), atom::create_v, std::move(what), std::move(to));
}

void service::destroy_namespace(const std::string& tenant, const std::string& session,
                                const std::string& name_space, reply<done> to) {
  caf::anon_send(impl_->tenant_of(tenant), atom::destroy_v, session, name_space, std::move(to));
}

void service::list_namespaces(const std::string& tenant, const std::string& session,
                              reply<std::vector<namespace_info>> to) {
  caf::anon_send(impl_->tenant_of(tenant), atom::list_v, session, std::move(to));
}

void service::memory_of(const std::string& tenant, const std::string& session,
                        reply<worker_memory> to) {
  caf::anon_send(impl_->tenant_of(tenant), atom::memory_v, session, std::move(to));
}

std::uint64_t service::new_owner() noexcept {
  return ++impl_->last_owner;
}

void service::release_owner(const std::string& tenant, std::uint64_t owner) {
  caf::anon_send(impl_->tenant_of(tenant), atom::disown_v, owner);
}

void service::drain(clock_type::time_point deadline, std::function<void()> then) {
  // Counts the tenants that are still busy; the last one calls back.
  struct gathering {
    std::function<void()> then;
    std::size_t left = 0;
  };
  auto gather = std::make_shared<gathering>();
  gather->then = std::move(then);
  gather->left = impl_->tenants.size() + 1;
  auto one_done = [gather] {
    if (--gather->left == 0)
      gather->then();
  };
  for (auto& [name, handle] : impl_->tenants)
    caf::anon_send(handle, atom::drain_v, deadline, std::function<void()>{one_done});
  one_done();
}

} // namespace vivarium
