// SPDX-License-Identifier: Apache-2.0
#include "actors/session_pool_registry.hpp"

#include "actors/session_pool_actor.hpp"
#include "proto/ids.hpp"

#include <caf/all.hpp>

#include <algorithm>

namespace vivarium {

namespace {

// That clients of one tenant may make, and what they may put into them.
constexpr std::size_t most_pools = 100;
constexpr std::size_t most_sessions = 1'000;
constexpr std::size_t most_queue = 1'000'000;
constexpr std::size_t most_routes = 1'000;
constexpr std::size_t most_route_bytes = 512;

session_request wish_of(const session_pool_settings& from) {
  session_request out;
  out.environment = from.environment;
  out.egress = from.egress;
  out.processes = from.processes;
  out.limits = from.limits;
  if (!from.init.empty()) {
    out.init.emplace();
    out.init->source = from.init;
    out.init->filename = "<pool>";
  }
  return out;
}

status check_plan(const session_pool_plan& what) {
  if (auto ok = check_name(what.name); !ok)
    return ok;
  if (what.sessions < 1 || what.sessions > most_sessions)
    return error{errc::invalid_argument,
                 "a pool has 1 to " + std::to_string(most_sessions) + " sessions"};
  if (what.queue > most_queue)
    return error{errc::invalid_argument,
                 "the queue of a pool holds at most " + std::to_string(most_queue) + " calls"};
  return done{};
}

} // namespace

bool session_pool_registry::visible(const std::string& tenant,
                                    const session_pool_settings& pool) const {
  if (!pool.trust_group.empty())
    return around_.group(tenant) == pool.trust_group;
  return pool.tenants.empty() || pool.tenants.contains(tenant);
}

session_pool_registry::key session_pool_registry::key_of(const std::string& tenant,
                                                         const std::string& name) const {
  auto found = around_.config.session_pools.find(name);
  if (found == around_.config.session_pools.end() || !visible(tenant, found->second)
      || found->second.trust_group.empty())
    return {tenant, name};
  return {host_of(found->second.trust_group), name};
}

session_pool_plan session_pool_registry::plan_of(const key& which) const {
  const auto& from = around_.config.session_pools.at(which.second);
  return {.name = which.second,
          .host = which.first,
          .trust_group = from.trust_group,
          .sessions = from.sessions,
          .queue = from.queue,
          .wish = wish_of(from),
          .max_age = from.max_age,
          .max_executions = from.max_executions,
          .configured = true};
}

void session_pool_registry::start() {
  for (const auto& [name, pool] : around_.config.session_pools) {
    if (!pool.eager)
      continue;
    if (!pool.trust_group.empty())
      make(plan_of({host_of(pool.trust_group), name}));
    // Where all may have one of their own, it is not known who will want it, unless there is one.
    else if (pool.tenants.empty() && around_.config.tenants.size() == 1)
      make(plan_of({around_.config.tenants.begin()->first, name}));
    for (const auto& tenant : pool.tenants)
      make(plan_of({tenant, name}));
  }
}

session_pool_actor session_pool_registry::make(session_pool_plan plan) {
  plan.wish.idle_timeout = std::chrono::hours{24 * 365}; // Idle is what they are for.
  plan.wish.replaces = true; // Whether there may be a pool is decided before.
  if (plan.wish.environment.empty())
    plan.wish.environment = "default";
  key which{plan.host, plan.name};
  auto& one = pools_[which];
  one.plan = std::move(plan);
  one.handle = spawn(which);
  caf::anon_send(around_.root(), atom::watch_v, std::string{"session_pool"},
                 caf::actor_cast<caf::actor>(one.handle),
                 std::function<caf::actor()>{[this, which] {
                   auto still = pools_.find(which);
                   if (still == pools_.end())
                     return caf::actor{};
                   still->second.handle = spawn(which);
                   return caf::actor_cast<caf::actor>(still->second.handle);
                 }});
  return one.handle;
}

session_pool_actor session_pool_registry::spawn(const key& which) {
  auto host = [this, tenant = which.first] { return around_.tenant(tenant); };
  return around_.system.spawn(
      session_pool, pools_.at(which).plan,
      session_pool_surroundings{around_.reactor, around_.watch, std::move(host)});
}

error session_pool_registry::no_such_pool(const std::string& name) const {
  return error{errc::not_found, "there is no session pool '" + name + "'"};
}

result<runner_actor> session_pool_registry::find(const std::string& tenant,
                                                 const std::string& name) {
  auto which = key_of(tenant, name);
  if (auto found = pools_.find(which); found != pools_.end())
    return runner_actor{found->second.handle};
  auto configured = around_.config.session_pools.find(name);
  if (configured == around_.config.session_pools.end() || !visible(tenant, configured->second))
    return no_such_pool(name);
  return runner_actor{make(plan_of(which))};
}

void session_pool_registry::create(const std::string& tenant, session_pool_plan what,
                                   const reply<session_pool_info>& to) {
  if (auto ok = check_plan(what); !ok)
    return to.refuse(std::move(ok).why());
  auto configured = around_.config.session_pools.find(what.name);
  if (pools_.contains({tenant, what.name})
      || (configured != around_.config.session_pools.end() && visible(tenant, configured->second)))
    return to.refuse(
        error{errc::already_exists, "there is a session pool '" + what.name + "' already"});
  auto own = static_cast<std::size_t>(std::count_if(
      pools_.begin(), pools_.end(), [&](const auto& one) { return one.first.first == tenant; }));
  if (own >= most_pools)
    return to.refuse(
        error{errc::limit_exceeded,
              "a tenant may have " + std::to_string(most_pools) + " session pools; close one",
              {},
              {"session_pools", own, most_pools, std::chrono::seconds{1}}});
  what.host = tenant;
  what.configured = false;
  caf::anon_send(make(std::move(what)), atom::describe_v, to);
}

void session_pool_registry::list(const std::string& tenant,
                                 const reply<std::vector<session_pool_info>>& to) {
  // Each pool speaks for itself; the last one's word completes the list.
  struct gathering {
    std::vector<session_pool_info> all;
    reply<std::vector<session_pool_info>> to;
    ~gathering() {
      std::sort(all.begin(), all.end(),
                [](const auto& a, const auto& b) { return a.name < b.name; });
      to.give(std::move(all));
    }
  };
  auto gather = std::make_shared<gathering>();
  gather->to = to;
  for (const auto& [name, pool] : around_.config.session_pools) {
    if (!visible(tenant, pool) || pools_.contains(key_of(tenant, name)))
      continue; // Those that are there say it themselves.
    auto plan = plan_of(key_of(tenant, name));
    session_pool_info info;
    info.name = name;
    info.environment = pool.environment.empty() ? "default" : pool.environment;
    info.sessions = plan.sessions;
    info.queue = plan.queue;
    info.configured = true;
    info.shared = plan.shared();
    gather->all.push_back(std::move(info));
  }
  for (const auto& [which, one] : pools_)
    if (which.first == tenant || which == key_of(tenant, which.second))
      caf::anon_send(one.handle, atom::describe_v,
                     reply<session_pool_info>{[gather](result<session_pool_info> info) {
                       if (info)
                         gather->all.push_back(*std::move(info));
                     }});
}

status session_pool_registry::close(const std::string& tenant, const std::string& name) {
  auto found = pools_.find(key_of(tenant, name));
  auto configured = around_.config.session_pools.find(name);
  if (configured != around_.config.session_pools.end() && visible(tenant, configured->second))
    return error{errc::permission_denied,
                 "session pool '" + name + "' is [pools." + name + "] of the configuration"};
  if (found == pools_.end())
    return no_such_pool(name);
  caf::anon_send(found->second.handle, atom::close_v);
  pools_.erase(found);
  return done{};
}

status session_pool_registry::set_routes(const std::string& tenant,
                                         std::map<std::string, std::string> routes) {
  if (routes.size() > most_routes)
    return error{errc::invalid_argument, "more than " + std::to_string(most_routes) + " routes"};
  for (const auto& [from, pool] : routes) {
    if (from.empty() || from.size() > most_route_bytes)
      return error{errc::invalid_argument, "a route begins at a module or a function, in 1 to "
                                               + std::to_string(most_route_bytes) + " bytes"};
    if (auto there = find(tenant, pool); !there)
      return std::move(there).why();
  }
  if (routes.empty())
    routes_.erase(tenant);
  else
    routes_[tenant] = std::move(routes);
  return done{};
}

std::map<std::string, std::string> session_pool_registry::routes(const std::string& tenant) const {
  std::map<std::string, std::string> out;
  if (auto own = routes_.find(tenant); own != routes_.end())
    out = own->second;
  if (auto may = around_.config.tenants.find(tenant); may != around_.config.tenants.end())
    out.insert(may->second.routes.begin(), may->second.routes.end());
  return out;
}

std::string session_pool_registry::route(const std::string& tenant,
                                         const std::string& function) const {
  auto own = routes_.find(tenant);
  auto may = around_.config.tenants.find(tenant);
  bool some =
      own != routes_.end() || (may != around_.config.tenants.end() && !may->second.routes.empty());
  for (auto name = some ? function : std::string{}; !name.empty();) {
    if (own != routes_.end())
      if (auto to = own->second.find(name); to != own->second.end())
        return to->second;
    if (may != around_.config.tenants.end())
      if (auto to = may->second.routes.find(name); to != may->second.routes.end())
        return to->second;
    auto dot = name.rfind('.');
    name.resize(dot == std::string::npos ? 0 : dot);
  }
  return {};
}

void session_pool_registry::drain() {
  for (const auto& [which, one] : pools_)
    caf::anon_send(one.handle, atom::drain_v);
}

void session_pool_registry::clear() {
  for (auto& [which, one] : pools_)
    caf::anon_send_exit(one.handle, caf::exit_reason::kill);
  pools_.clear();
}

} // namespace vivarium
