// SPDX-License-Identifier: Apache-2.0
#include "actors/service.hpp"

#include "actors/administration.hpp"
#include "actors/app_registry.hpp"
#include "actors/asio_coordinator.hpp"
#include "actors/cpu_shares.hpp"
#include "actors/interfaces.hpp"
#include "actors/pool.hpp"
#include "actors/session_pool_registry.hpp"
#include "actors/supervisor.hpp"
#include "actors/tenant.hpp"
#include "sandbox/uid_claim.hpp"

#include <caf/all.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <csignal>
#include <map>
#include <set>
#include <stdexcept>
#include <utility>
#include <vector>

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
      : reactor{r}, config{std::move(c)}, watch{w}, workers{r, w, config.watch},
        beats{r, w, config.heartbeats}, gate{r}, system_settings{r}, system{system_settings} {
    config.sealed = sealed_limits(config);
    bool weighed = groups && groups->site().cpu;
    if (groups)
      cgroups.emplace(reactor, std::move(*groups));
    share_processors(weighed);
    std::signal(SIGPIPE, SIG_IGN); // A dead worker or client is an error code, not our death.
    if (auto claimed = sandbox::uid_claim::take(config.uid_base))
      claims.push_back(std::move(*claimed));
    else
      throw std::runtime_error{claimed.why().detail};
    root = system.spawn(supervisor, restart_intensity{}, &watch, [&r] { r.stop(); });
    for (const auto& group : warm_groups())
      for (const auto& [name, environment] : config.environments)
        if (auto found = book.find({}, name); environment.eager && found)
          pool_of(*found, group, pool_life::lasting);
    session_pools.start();
  }

  ~impl() {
    files->stop();
    volumes.stop();
    caf::anon_send_exit(root, caf::exit_reason::kill);
    session_pools.clear();
    for (auto& [name, entry] : tenants)
      caf::anon_send_exit(entry.handle, caf::exit_reason::kill);
    for (auto& [name, entry] : pools)
      caf::anon_send_exit(entry.handle, caf::exit_reason::kill);
    root = nullptr;
    for (auto& [name, entry] : tenants)
      entry.handle = nullptr; // What it may use outlives the actor.
    pools.clear();
    // The actors need their scheduler once more to end; afterwards the system has nobody to wait
    // for.
    reactor.restart();
    for (int n = 0; n < last_turns && system.registry().running() > 0; ++n)
      if (reactor.poll_one() == 0)
        break;
  }

  /// `weighed`: the tenants have control groups with the CPU controller.
  void share_processors(bool weighed) {
    cpu_share_settings how;
    how.weight_of = [this](const std::string& tenant) {
      auto may = config.tenants.find(tenant);
      return may == config.tenants.end() ? tenant_settings{}.cpu_weight : may->second.cpu_weight;
    };
    how.requests_of = [this](const std::string& tenant) {
      auto found = tenants.find(tenant);
      return found == tenants.end() ? 0 : found->second.quotas->asked();
    };
    if (weighed && config.fair_cpu)
      how.put_group = [this](const std::string& tenant, bool behind) {
        cgroups->put_behind(tenant, behind);
      };
    how.enforced = config.fair_cpu;
    shares.emplace(reactor, watch, sandbox::priorities{}, std::move(how));
  }

  /// Environment, by key, and trust group.
  using pool_key = std::pair<std::string, std::string>;
  struct pool_entry {
    pool_actor handle;
    environment_ref environment;
    std::shared_ptr<pool_board> board;
    pool_life life = pool_life::lasting;
    std::size_t slot = 0; // of host uids
    bool closing = false;
  };

  /// The trust group of a tenant: by default nobody else is in it.
  [[nodiscard]] std::string group_of(const std::string& tenant) const {
    if (auto group = session_pool_registry::group_of_host(tenant); !group.empty())
      return group;
    auto found = config.tenants.find(tenant);
    return found == config.tenants.end() || found->second.trust_group.empty()
               ? tenant
               : found->second.trust_group;
  }

  /// Which groups have their pools started with the daemon: those that the configuration names,
  /// and the only one where there is one.
  [[nodiscard]] std::set<std::string> warm_groups() const {
    std::set<std::string> all;
    std::set<std::string> named;
    for (const auto& [name, may] : config.tenants) {
      all.insert(group_of(name));
      if (may.warm)
        named.insert(group_of(name));
    }
    return all.size() == 1 ? all : named;
  }

  /// Host uids of pool number `n`: no two jails have one in common.
  std::uint32_t uids_of(std::size_t n) {
    constexpr std::size_t each = sandbox::jails_per_claim;
    while (claims.size() <= n / each) {
      auto more = sandbox::uid_claim::take(config.uid_base);
      if (!more) {
        spdlog::error("two jails share host uids, and with them the kernel's quotas: {}",
                      more.why().detail);
        return claims.front().base_of(static_cast<std::uint32_t>(n % each));
      }
      claims.push_back(std::move(*more));
    }
    return claims[n / each].base_of(static_cast<std::uint32_t>(n % each));
  }

  pool_actor pool_of(const environment_ref& environment, const std::string& group, pool_life life) {
    pool_key key{environment.key, group};
    if (auto it = pools.find(key); it != pools.end())
      return it->second.handle;
    auto& entry = pools[key];
    entry.environment = environment;
    entry.board = std::make_shared<pool_board>();
    entry.life = life;
    while (!slots.insert(entry.slot).second)
      ++entry.slot;
    entry.handle = spawn_pool(key);
    caf::anon_send(root, atom::watch_v, std::string{"pool"},
                   caf::actor_cast<caf::actor>(entry.handle),
                   std::function<caf::actor()>{[this, key] {
                     auto again = pools.find(key);
                     if (again == pools.end())
                       return caf::actor{};
                     again->second.handle = spawn_pool(key);
                     if (again->second.closing)
                       caf::anon_send(again->second.handle, atom::close_v);
                     return caf::actor_cast<caf::actor>(again->second.handle);
                   }});
    return entry.handle;
  }

  pool_actor spawn_pool(const pool_key& key) {
    auto& entry = pools.at(key);
    *entry.board = pool_board{};
    entry.board->breaker = circuit{config.breaker};
    return system.spawn(pool, pool_plan{.reactor = reactor,
                                        .config = config,
                                        .watch = watch,
                                        .load = load,
                                        .commons = commons,
                                        .shares = &*shares,
                                        .environment = entry.environment.label,
                                        .installation = entry.environment.settings,
                                        .group = key.second,
                                        .life = entry.life,
                                        .uid_base = uids_of(entry.slot),
                                        .board = entry.board,
                                        .closed = [this, key] { pool_closed(key); }});
  }

  void pool_closed(const pool_key& key) {
    auto node = pools.extract(key);
    if (!node)
      return;
    caf::anon_send_exit(node.mapped().handle, caf::exit_reason::user_shutdown);
    slots.erase(node.mapped().slot);
    auto& waiting = gone[key.first];
    bool more = std::any_of(pools.begin(), pools.end(),
                            [&](const auto& one) { return one.first.first == key.first; });
    if (more)
      return;
    auto all = std::exchange(waiting, {});
    gone.erase(key.first);
    for (auto& then : all)
      then();
  }

  void close_pool(pool_entry& entry) {
    if (!std::exchange(entry.closing, true))
      caf::anon_send(entry.handle, atom::close_v);
  }

  /// Ends the pools of what nobody can find any more, those with a hash seed among them.
  void forget(const std::optional<environment_ref>& was, std::function<void()> then) {
    if (!was) {
      if (then)
        then();
      return;
    }
    struct last {
      last() = default;
      last(const last&) = delete;
      last& operator=(const last&) = delete;
      ~last() {
        if (then)
          then();
      }
      std::function<void()> then;
    };
    auto end = std::make_shared<last>();
    end->then = std::move(then);
    for (auto& [key, entry] : pools)
      if (key.first == was->key || key.first.starts_with(was->key + "#hash")) {
        gone[key.first].emplace_back([end] {});
        close_pool(entry);
      }
  }

  /// Pools with a hash seed are few; one that nobody uses makes room.
  status admit_pool(const environment_ref& wanted, const std::string& group) {
    if (!wanted.settings->hash_seed || pools.contains({wanted.key, group}))
      return done{};
    std::size_t seeded = 0;
    pool_entry* unused = nullptr;
    for (auto& [key, entry] : pools)
      if (entry.environment.settings->hash_seed && !entry.closing) {
        ++seeded;
        if (!entry.board->in_use)
          unused = &entry;
      }
    if (seeded < config.hash_seeds)
      return done{};
    if (unused == nullptr)
      return error{errc::limit_exceeded, std::to_string(seeded)
                                             + " zygotes have a hash seed, which is the maximum "
                                               "(pool.hash_seeds), and all are in use"};
    close_pool(*unused);
    return done{};
  }

  /// A pool that cannot make workers is not asked for one, unless some are left.
  result<circuit::pass> enter_pool(const environment_ref& wanted, const std::string& group) {
    auto found = pools.find({wanted.key, group});
    if (found == pools.end() || found->second.board->figures.ready > 0)
      return circuit::pass{};
    auto pass =
        found->second.board->breaker.enter(clock_type::now(), "environment '" + wanted.label + "'");
    if (!pass)
      watch.circuit_refused(group, wanted.label, "pool");
    return pass;
  }

  struct tenant_entry {
    tenant_actor handle;
    std::unique_ptr<allowance> quotas;
  };

  tenant_entry& entry_of(const std::string& name) {
    if (auto it = tenants.find(name); it != tenants.end())
      return it->second;
    auto& entry = tenants[name];
    auto may = config.tenants.find(name);
    entry.quotas = std::make_unique<allowance>(
        name, may == config.tenants.end() ? tenant_settings{} : may->second, config.max_sessions,
        watch);
    weigh(name);
    entry.handle = spawn_tenant(name, *entry.quotas);
    caf::anon_send(root, atom::watch_v, std::string{"tenant"},
                   caf::actor_cast<caf::actor>(entry.handle),
                   std::function<caf::actor()>{[this, name] {
                     auto& again = tenants.at(name);
                     again.handle = spawn_tenant(name, *again.quotas);
                     return caf::actor_cast<caf::actor>(again.handle);
                   }});
    return entry;
  }

  /// Gives the tenant's control group its limits and its share of the CPU, where there are groups.
  void weigh(const std::string& name) {
    auto may = config.tenants.find(name);
    if (!cgroups || may == config.tenants.end())
      return;
    sandbox::cgroup_limits share;
    share.cpu_weight = may->second.cpu_weight;
    if (auto most = may->second.group_memory; most > 0)
      share.memory_bytes = most;
    if (auto most = may->second.group_pids; most > 0)
      share.pids = most;
    cgroups->limit_tenant(name, share);
  }

  const tenant_actor& tenant_of(const std::string& name) { return entry_of(name).handle; }

  tenant_actor spawn_tenant(const std::string& name, allowance& quotas) {
    return system.spawn(
        tenant,
        tenant_plan{reactor,
                    config,
                    watch,
                    load,
                    workers,
                    beats,
                    cgroups ? &*cgroups : nullptr,
                    &*shares,
                    gate,
                    functions,
                    mail,
                    files,
                    volumes,
                    store,
                    databases,
                    name,
                    quotas,
                    [this, name] { return group_of(name); },
                    book,
                    [this](const environment_ref& environment, const std::string& group) {
                      return pool_of(environment, group, pool_life::retiring);
                    },
                    [this](const environment_ref& environment, const std::string& group) {
                      return admit_pool(environment, group);
                    },
                    [this](const environment_ref& environment, const std::string& group) {
                      return enter_pool(environment, group);
                    },
                    [this, name](const std::string& pool) { return find_session_pool(name, pool); },
                    [this, name](const std::string& function) {
                      return session_pools.route(name, function);
                    },
                    [this](const session_info& ended) { apps.on_session_ended(ended); },
                    [this](const std::string& other) {
                      return caf::actor_cast<caf::actor>(tenant_of(other));
                    },
                    [this] { return admin.drained(); }});
  }

  result<runner_actor> find_session_pool(const std::string& tenant, const std::string& name) {
    // One that is there serves on; making one takes sessions.
    if (admin.drained() && !session_pools.is_made(tenant, name))
      return administration::drained_error();
    return session_pools.find(tenant, name);
  }

  /// Name of the tenant after this one: those of the configuration, and those of shared pools.
  [[nodiscard]] std::string next_tenant(const std::string& after) const {
    auto configured = config.tenants.upper_bound(after);
    auto other = tenants.upper_bound(after);
    if (configured == config.tenants.end())
      return other == tenants.end() ? std::string{} : other->first;
    return other == tenants.end() ? configured->first : std::min(configured->first, other->first);
  }

  [[nodiscard]] tenant_overview figures_of(const std::string& name) const {
    tenant_overview out;
    out.name = name;
    static const tenant_settings all;
    auto may = config.tenants.find(name);
    const auto& most = may == config.tenants.end() ? all : may->second;
    out.most_sessions = most.sessions > 0 ? most.sessions : config.max_sessions;
    out.most_executions = most.executions;
    out.most_connections = most.connections;
    out.most_memory_bytes = most.memory_bytes;
    if (auto found = tenants.find(name); found != tenants.end()) {
      const auto& used = *found->second.quotas;
      out.sessions = used.used(quota::sessions);
      out.executions = used.used(quota::executions);
      out.connections = used.used(quota::connections);
      out.memory_bytes = used.used(quota::memory);
      out.requests = used.asked();
    }
    return out;
  }

  [[nodiscard]] std::vector<administration::worker_pool> worker_pools() const {
    std::vector<administration::worker_pool> out;
    out.reserve(pools.size());
    for (const auto& [key, entry] : pools)
      if (!entry.closing)
        out.push_back({entry.environment, key.second, entry.board, entry.handle});
    return out;
  }

  [[nodiscard]] store_quota store_quota_of(const std::string& tenant) const {
    store_quota out{config.store.tenant_bytes, config.store.tenant_keys};
    if (auto may = config.tenants.find(tenant); may != config.tenants.end()) {
      out.bytes = may->second.store_bytes.value_or(out.bytes);
      out.keys = may->second.store_keys.value_or(out.keys);
    }
    return out;
  }

  /// The first pool of those that start with the daemon whose board fits; null when none does.
  template <class Fits>
  const std::pair<const pool_key, pool_entry>* eager(Fits fits) const {
    for (const auto& one : pools)
      if (one.second.life == pool_life::lasting && fits(*one.second.board))
        return &one;
    return nullptr;
  }

  boost::asio::io_context& reactor;
  settings config;
  observer& watch;
  load_gauge load;
  resource_watch workers;
  heartbeats beats;
  std::optional<cgroup_keeper> cgroups;
  std::optional<cpu_shares> shares; // always, once made
  egress_gate gate;
  switchboard functions;
  mailboxes mail{config.mail, watch};
  std::shared_ptr<file_threads> files = std::make_shared<file_threads>(reactor);
  volume_store volumes{reactor, config};
  key_value_store store{reactor, config.store,
                        [this](const std::string& tenant) { return store_quota_of(tenant); }};
  sql_gate databases{gate};
  pool_commons commons;
  std::vector<sandbox::uid_claim> claims;
  system_config system_settings;
  caf::actor_system system;
  supervisor_actor root;
  environment_book book{config.environments};
  std::map<pool_key, pool_entry> pools;
  std::set<std::size_t> slots;                                    // of host uids that pools have
  std::map<std::string, std::vector<std::function<void()>>> gone; // by the key of an environment
  std::map<std::string, tenant_entry> tenants;
  session_pool_registry session_pools{
      {reactor, config, watch, system, [this] { return root; },
       [this](const std::string& name) { return tenant_of(name); },
       [this](const std::string& tenant) { return group_of(tenant); }}};
  std::uint64_t last_owner = 0;
  app_registry apps{
      {reactor, config, watch,
       [this](const std::string& tenant, session_request what, reply<session_info> to) {
         what.replaces = true; // Whether there may be an application is decided before.
         caf::anon_send(tenant_of(tenant), atom::create_v, std::move(what), std::move(to));
       },
       [this](const std::string& tenant, const std::string& session) {
         caf::anon_send(tenant_of(tenant), atom::close_v, session, false, reply<done>{});
       },
       [this](const std::string& tenant, const std::string& session, reply<session_info> to) {
         caf::anon_send(tenant_of(tenant), atom::describe_v, session, std::move(to));
       },
       [this](const std::string& tenant, submission&& what, reply<execution_ptr> to) {
         caf::anon_send(tenant_of(tenant), atom::submit_v, std::move(what), std::move(to));
       },
       [this](const std::string& tenant, const execution_ptr& what, std::uint64_t credit) {
         caf::anon_send(tenant_of(tenant), atom::pull_v, what, credit);
       },
       [this](const std::string& tenant, const execution_ptr& what, app_feed more) {
         caf::anon_send(tenant_of(tenant), atom::feed_v, what, std::move(more));
       },
       [this](const std::string& tenant, const std::string& execution) {
         caf::anon_send(tenant_of(tenant), atom::cancel_v, execution, reply<bool>{});
       },
       [this] { return admin.drained(); }}};
  administration admin{{[this](const std::string& after) { return next_tenant(after); },
                        [this](const std::string& name) {
                          return config.tenants.contains(name) || tenants.contains(name);
                        },
                        [this](const std::string& name) {
                          auto found = tenants.find(name);
                          return found == tenants.end() ? tenant_actor{} : found->second.handle;
                        },
                        [this](const std::string& name) { return figures_of(name); },
                        [this] { return worker_pools(); },
                        [this](const std::string& tenant) { return group_of(tenant); },
                        session_pools, book}};
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
  return found == nullptr ? ""
                          : "environment '" + found->second.environment.label
                                + "' cannot start: " + found->second.board->trouble;
}

bool service::hopeless() const noexcept {
  return impl_->eager([](const pool_board& board) { return board.hopeless; }) != nullptr;
}

bool service::knows(const std::string& tenant) const noexcept {
  return impl_->config.tenants.contains(tenant);
}

void service::retune(settings fresh) {
  auto& config = impl_->config;
  config.tenants = std::move(fresh.tenants);
  config.timeout_profiles = std::move(fresh.timeout_profiles);
  config.max_sessions = fresh.max_sessions;
  config.timeout = fresh.timeout;
  config.max_timeout = fresh.max_timeout;
  config.grace = fresh.grace;
  config.idle_timeout = fresh.idle_timeout;
  config.start_timeout = fresh.start_timeout;
  config.callback_timeout = fresh.callback_timeout;
  config.log_ttl = fresh.log_ttl;
  config.kept_executions = fresh.kept_executions;
  for (auto& [name, entry] : impl_->tenants)
    if (auto may = config.tenants.find(name); may != config.tenants.end()) {
      entry.quotas->retune(may->second, config.max_sessions);
      impl_->weigh(name);
    }
}

status service::admit(const std::string& tenant, std::size_t count, std::string_view request_id) {
  return impl_->entry_of(tenant).quotas->requests(clock_type::now(), count, request_id);
}

result<quota_hold> service::admit_connection(const std::string& tenant,
                                             std::string_view request_id) {
  return impl_->entry_of(tenant).quotas->connection(request_id);
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

void service::files_of(const std::string& tenant, const std::string& session,
                       reply<session_files_ptr> to) {
  caf::anon_send(impl_->tenant_of(tenant), atom::files_v, session, std::move(to));
}

void service::create_volume(const std::string& tenant, const std::string& name,
                            std::uint64_t max_bytes, reply<volume_info> to) {
  impl_->volumes.create(tenant, name, max_bytes, std::move(to));
}

void service::list_volumes(const std::string& tenant, reply<std::vector<volume_info>> to) {
  impl_->volumes.list(tenant, std::move(to));
}

void service::remove_volume(const std::string& tenant, const std::string& name, reply<done> to) {
  impl_->volumes.remove(tenant, name, std::move(to));
}

void service::commit_volume(const std::string& tenant, const std::string& session,
                            const std::string& volume, bool force, reply<volume_info> to) {
  caf::anon_send(impl_->tenant_of(tenant), atom::commit_v, session, volume, force, std::move(to));
}

void service::close_session(const std::string& tenant, const std::string& session, bool discard,
                            reply<done> to) {
  caf::anon_send(impl_->tenant_of(tenant), atom::close_v, session, discard, std::move(to));
}

void service::create_session_pool(const std::string& tenant, session_pool_plan what,
                                  reply<session_pool_info> to) {
  if (impl_->admin.drained())
    return to.refuse(administration::drained_error());
  impl_->session_pools.create(tenant, std::move(what), to);
}

void service::list_session_pools(const std::string& tenant,
                                 reply<std::vector<session_pool_info>> to) {
  impl_->session_pools.list(tenant, to);
}

void service::close_session_pool(const std::string& tenant, const std::string& name,
                                 reply<done> to) {
  if (auto ok = impl_->session_pools.close(tenant, name); !ok)
    to.refuse(std::move(ok).why());
  else
    to.give(done{});
}

status service::set_routes(const std::string& tenant, std::map<std::string, std::string> routes) {
  return impl_->session_pools.set_routes(tenant, std::move(routes));
}

std::map<std::string, std::string> service::routes(const std::string& tenant) const {
  return impl_->session_pools.routes(tenant);
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

administration& service::admin() noexcept {
  return impl_->admin;
}

bool service::drained() const noexcept {
  return impl_->admin.drained();
}

app_registry& service::apps() noexcept {
  return impl_->apps;
}

switchboard& service::functions() noexcept {
  return impl_->functions;
}

result<std::uint64_t> service::send_message(const std::string& tenant, const std::string& to,
                                            std::string value) {
  return impl_->mail.publish(tenant, {}, to, std::move(value));
}

result<mailbox_ptr> service::open_mailbox(const std::string& tenant, std::vector<std::string> names,
                                          std::function<void()> on_message) {
  return impl_->mail.open(tenant, std::move(names), std::move(on_message));
}

void service::put_environment(const std::string& owner, const std::string& name,
                              environment_settings what, std::function<void()> gone) {
  impl_->forget(impl_->book.put(owner, name, std::move(what)), std::move(gone));
}

void service::put_environment_trouble(const std::string& owner, const std::string& name,
                                      error why) {
  impl_->book.put_trouble(owner, name, std::move(why));
}

void service::drop_environment(const std::string& owner, const std::string& name,
                               std::function<void()> gone) {
  impl_->forget(impl_->book.drop(owner, name), std::move(gone));
}

const environment_book& service::environments() const noexcept {
  return impl_->book;
}

bool service::may_use_environment(const std::string& tenant,
                                  const std::string& name) const noexcept {
  auto may = impl_->config.tenants.find(tenant);
  return may == impl_->config.tenants.end() || !may->second.environments
         || may->second.environments->contains(name);
}

bool service::may_register_environments(const std::string& tenant) const noexcept {
  auto may = impl_->config.tenants.find(tenant);
  return may != impl_->config.tenants.end() && may->second.register_environments;
}

std::vector<std::pair<std::string, std::string>> service::environment_troubles() const {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& [key, entry] : impl_->pools)
    if (entry.life == pool_life::retiring && !entry.board->trouble.empty())
      out.emplace_back(entry.environment.label, entry.board->trouble);
  return out;
}

key_value_store& service::store() noexcept {
  return impl_->store;
}

void service::speak_http_through(http_gate& gate) noexcept {
  impl_->gate.http = &gate;
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
  impl_->session_pools.drain();
  impl_->apps.drain();
  for (auto& [name, entry] : impl_->tenants)
    caf::anon_send(entry.handle, atom::drain_v, deadline, std::function<void()>{one_done});
  one_done();
}

} // namespace vivarium
