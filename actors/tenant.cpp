// SPDX-License-Identifier: Apache-2.0
#include "actors/tenant.hpp"

#include "actors/administration.hpp"
#include "actors/handlers.hpp"
#include "proto/ids.hpp"
#include "sandbox/priority.hpp"

#include <caf/all.hpp>

#include <algorithm>
#include <utility>

namespace vivarium {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t max_tombs = 1'000;
constexpr auto tidy_interval = 10s;
constexpr auto drain_interval = 10ms;

/// Makes it the same environment with a zygote of its own, whose hashes follow from a seed.
void seed_zygote(environment_ref& where, std::uint32_t seed) {
  auto own = std::make_shared<environment_settings>(*where.settings);
  own->hash_seed = seed;
  own->ready = 1; // Few ask for one.
  where.key += "#hash" + std::to_string(seed);
  where.settings = std::move(own);
}

} // namespace

tenant_core::tenant_core(tenant_plan plan, caf::scheduled_actor* self)
    : plan_{std::move(plan)}, self_{self}, timer_{plan_.reactor},
      starts_{std::make_shared<session_starts>(plan_.config.breaker, plan_.name, plan_.watch)} {
  tick_in(tidy_interval);
}

tenant_core::~tenant_core() {
  for (auto& [id, s] : sessions_)
    caf::anon_send_exit(s.handle, caf::exit_reason::kill);
}

const tenant_settings& tenant_core::may() const {
  static const tenant_settings all;
  auto found = plan_.config.tenants.find(plan_.name);
  return found == plan_.config.tenants.end() ? all : found->second;
}

// -- sessions
// ---------------------------------------------------------------------------------------

tenant_core::live_session* tenant_core::find_session(const std::string& id_or_name) {
  const auto* id = &id_or_name;
  if (!looks_like_id(id_kind::session, id_or_name)) {
    auto named = names_.find(id_or_name);
    if (named == names_.end())
      return nullptr;
    id = &named->second;
  }
  auto it = sessions_.find(*id);
  // A one-shot session has no id that anyone was told, and one of a pool is the pool's.
  bool hidden = it == sessions_.end() || it->second.one_shot || it->second.member;
  return hidden ? nullptr : &it->second;
}

error tenant_core::no_such_session(const std::string& id_or_name) const {
  auto named = tomb_names_.find(id_or_name);
  auto it = tombs_.find(named == tomb_names_.end() ? id_or_name : named->second);
  if (it == tombs_.end())
    return error{errc::not_found, "there is no session '" + id_or_name + "'"};
  std::string text = "session '" + id_or_name + "' has ended";
  if (it->second.cause)
    text += ": " + vivarium::describe(*it->second.cause);
  return error{errc::session_lost, std::move(text)};
}

result<environment_ref> tenant_core::find_environment(const std::string& name) const {
  // One that the tenant may not use is not there for it.
  const auto& allowed = may().environments;
  if (allowed && !allowed->contains(name) && plan_.environments.is_shared(plan_.name, name))
    return error{errc::not_found, "there is no environment '" + name + "'"};
  return plan_.environments.find(plan_.name, name);
}

result<tenant_core::live_session*> tenant_core::open(session_request wish, bool one_shot) {
  if (draining_)
    return error{errc::unavailable, "the daemon is stopping and takes no new sessions"};
  if (!wish.replaces && plan_.drained())
    return administration::drained_error();
  auto env = wish.environment.empty() ? std::string{"default"} : wish.environment;
  auto where = find_environment(env);
  if (!where)
    return std::move(where).why();
  auto start = starts_->enter(*where, env);
  if (!start)
    return std::move(start).why();
  if (const auto& seed = wish.repeats.hash_seed) {
    seed_zygote(*where, *seed);
    if (auto ok = plan_.admit_pool(*where, plan_.group()); !ok)
      return std::move(ok).why();
  }
  if (auto pass = plan_.enter_pool(*where, plan_.group()); !pass)
    return std::move(pass).why();
  else if (*start)
    (*start)->holds(*std::move(pass));
  auto place = plan_.quotas.session(wish.request_id);
  if (!place)
    return std::move(place).why();
  const auto& usual = plan_.config.limits;
  auto limits = clamp_or_refuse(wish.limits, usual, plan_.config.limits_max);
  if (const auto& own = may().limits_max; own && limits)
    limits = clamp_or_refuse(wish.limits, usual, narrower(plan_.config.limits_max, *own, usual));
  if (!limits)
    return limits.why();
  if (!wish.egress.empty())
    if (auto ok = may_use_egress(plan_.config, plan_.name, wish.egress); !ok)
      return ok.why();
  if (auto ok = may_have(plan_.config, plan_.name, wish.egress, wish.capabilities); !ok)
    return std::move(ok).why();
  auto processes =
      may_have_processes(plan_.config, plan_.name, env, where->settings->processes, wish.processes);
  if (!processes)
    return processes.why();
  auto memory = plan_.quotas.memory((*limits)[limit::memory], wish.request_id);
  if (!memory)
    return std::move(memory).why();
  if (wish.init) // Like every deadline: until it is over, the session counts as being started.
    wish.init->timeout = std::min(wish.init->timeout, longest());
  session_plan order;
  order.info.limits = *limits;
  order.info.id = make_id(id_kind::session);
  order.info.name = wish.name;
  order.info.environment = env;
  order.info.created = std::chrono::system_clock::now();
  order.info.tags = wish.tags;
  order.info.egress = wish.egress;
  order.info.processes = *processes;
  order.tenant = plan_.name;
  order.one_shot = one_shot;
  order.environment = where->settings;
  order.label = where->label;
  order.wish = std::move(wish);
  if (order.wish.idle_timeout.count() <= 0)
    order.wish.idle_timeout = plan_.config.idle_timeout;
  if (order.wish.owner != 0)
    owners_[order.wish.owner].insert(order.info.id);
  auto info = order.info;
  auto of_app = order.wish.of_app;
  caf::actor_addr me = self_->address();
  session_surroundings around{
      .reactor = plan_.reactor,
      .config = plan_.config,
      .watch = plan_.watch,
      .load = plan_.load,
      .workers = plan_.workers,
      .beats = plan_.beats,
      .cgroups = plan_.cgroups,
      // A tenant that is alone has nobody to be nice to.
      .shares = plan_.config.tenants.size() > 1 ? plan_.shares : nullptr,
      .niceness = sandbox::niceness_of(may().cpu_weight),
      .gate = plan_.gate,
      .functions = plan_.functions,
      .mail = plan_.mail,
      .files = plan_.files,
      .volumes = plan_.volumes,
      .capabilities = capabilities_of(order),
      .start = *std::move(start),
      .pool = [pool = plan_.pool, at = *where, group = plan_.group()] { return pool(at, group); },
      .report_end =
          [me](session_info ended) {
            if (auto strong = caf::actor_cast<caf::actor>(me))
              caf::anon_send(strong, atom::ended_v, std::move(ended));
          },
      .report_large =
          [me](const execution_ptr& what) {
            if (auto strong = caf::actor_cast<caf::actor>(me))
              caf::anon_send(strong, atom::ended_v, what);
          },
  };
  auto handle = self_->spawn<caf::monitored>(session, std::move(order), std::move(around));
  addresses_[handle.address()] = info.id;
  if (!info.name.empty())
    names_[info.name] = info.id;
  auto& placed = sessions_[info.id];
  placed.handle = std::move(handle);
  placed.info = std::move(info);
  placed.one_shot = one_shot;
  placed.of_app = of_app;
  placed.place = *std::move(place);
  placed.memory = *std::move(memory);
  return &placed;
}

// What was granted has been checked.
std::shared_ptr<session_capabilities> tenant_core::capabilities_of(const session_plan& order) {
  const auto& granted = order.wish.capabilities;
  std::shared_ptr<sql_session> database;
  if (granted.sql) {
    pg::plan how;
    const auto& named = plan_.config.databases.find(granted.sql->database);
    bool own = !granted.sql->url.empty();
    if (!own) {
      how.name = granted.sql->database;
      how.ca = named->second.ca;
      how.bounds = named->second.bounds;
    } else {
      how.policy = &plan_.config.egress.at(order.wish.egress);
    }
    how.read_only = granted.sql->read_only || (!own && named->second.read_only);
    const auto& url = own ? granted.sql->url : named->second.url;
    if (auto target = parse_pg_url(url, own ? pg_url_from::client : pg_url_from::operator_))
      how.target = *std::move(target);
    // Whoever shares a pool may reach the same with the same rights.
    auto key = (own ? "url " + order.wish.egress + " " + url : "name " + granted.sql->database)
               + (how.read_only ? " read-only" : "");
    database = std::make_shared<sql_session>(
        plan_.reactor, plan_.databases.pool(plan_.name, key, how), order.info.id);
  }
  return std::make_shared<session_capabilities>(
      session_capabilities::surroundings{plan_.store, plan_.watch, plan_.name,
                                         order.info.environment},
      granted, std::move(database));
}

void tenant_core::create(const session_request& what, const reply<session_info>& to) {
  if (!what.name.empty()) {
    if (auto ok = check_name(what.name); !ok)
      return to.refuse(ok.why());
    if (auto* there = find_session(what.name)) {
      if (!what.attach)
        return to.refuse(
            error{errc::already_exists, "there is a session '" + what.name + "' already"});
      return caf::anon_send(there->handle, atom::describe_v, !what.start_async, to);
    }
  }
  auto made = open(what, false);
  if (!made)
    return to.refuse(made.why());
  caf::anon_send((*made)->handle, atom::describe_v, !what.start_async, to);
}

void tenant_core::create_member(session_request what, const reply<session_actor>& to) {
  auto made = open(std::move(what), false);
  if (!made)
    return to.refuse(std::move(made).why());
  (*made)->member = true;
  to.give((*made)->handle);
}

void tenant_core::describe(const std::string& session, const reply<session_info>& to) {
  if (auto* live = find_session(session))
    return caf::anon_send(live->handle, atom::describe_v, false, to);
  auto named = tomb_names_.find(session);
  auto it = tombs_.find(named == tomb_names_.end() ? session : named->second);
  if (it == tombs_.end())
    return to.refuse(no_such_session(session));
  to.give(it->second);
}

void tenant_core::list_sessions(const reply<std::vector<session_info>>& to) {
  // Each session speaks for itself; the last one's word completes the list.
  struct gathering {
    std::vector<session_info> all;
    reply<std::vector<session_info>> to;
    ~gathering() {
      std::sort(all.begin(), all.end(),
                [](const auto& a, const auto& b) { return a.created < b.created; });
      to.give(std::move(all));
    }
  };
  auto gather = std::make_shared<gathering>();
  gather->to = to;
  for (auto& [id, live] : sessions_) {
    if (live.one_shot || live.member)
      continue;
    caf::anon_send(live.handle, atom::describe_v, false,
                   reply<session_info>{[gather](result<session_info> info) {
                     if (info && info->state != session_state::dead)
                       gather->all.push_back(std::move(*info));
                   }});
  }
}

void tenant_core::files(const std::string& session, const reply<session_files_ptr>& to) {
  auto* live = find_session(session);
  if (live == nullptr)
    return to.refuse(no_such_session(session));
  caf::anon_send(live->handle, atom::files_v, to);
}

void tenant_core::commit(const std::string& session, const std::string& volume, bool force,
                         const reply<volume_info>& to) {
  auto* live = find_session(session);
  if (live == nullptr)
    return to.refuse(no_such_session(session));
  caf::anon_send(live->handle, atom::commit_v, volume, force, to);
}

void tenant_core::close(const std::string& session, bool discard, const reply<done>& to) {
  if (auto* live = find_session(session)) {
    if (discard)
      return caf::anon_send(live->handle, atom::close_v, to);
    return caf::anon_send(live->handle, atom::commit_v, to);
  }
  auto why = no_such_session(session);
  // Closing what has ended already is no error.
  if (why.code == errc::session_lost)
    return to.give(done{});
  to.refuse(std::move(why));
}

// -- what is in sessions
// ---------------------------------------------------------------------------

void tenant_core::create_namespace(const namespace_request& what, const reply<namespace_info>& to) {
  auto* live = find_session(what.session);
  if (live == nullptr)
    return to.refuse(no_such_session(what.session));
  if (what.owner != 0)
    owners_[what.owner].insert(live->info.id);
  caf::anon_send(live->handle, atom::create_v, what, to);
}

void tenant_core::destroy_namespace(const std::string& session, const std::string& which,
                                    const reply<done>& to) {
  auto* live = find_session(session);
  if (live == nullptr)
    return to.refuse(no_such_session(session));
  caf::anon_send(live->handle, atom::destroy_v, which, to);
}

void tenant_core::list_namespaces(const std::string& session,
                                  const reply<std::vector<namespace_info>>& to) {
  auto* live = find_session(session);
  if (live == nullptr)
    return to.refuse(no_such_session(session));
  caf::anon_send(live->handle, atom::list_v, to);
}

void tenant_core::memory(const std::string& session, const reply<worker_memory>& to) {
  auto* live = find_session(session);
  if (live == nullptr)
    return to.refuse(no_such_session(session));
  caf::anon_send(live->handle, atom::memory_v, to);
}

void tenant_core::release_owner(std::uint64_t owner) {
  auto owned = owners_.extract(owner);
  if (!owned)
    return;
  for (const auto& id : owned.mapped())
    if (auto live = sessions_.find(id); live != sessions_.end())
      caf::anon_send(live->second.handle, atom::disown_v, owner);
}

// -- ends
// -------------------------------------------------------------------------------------------

void tenant_core::on_ended(const session_info& info) {
  auto it = sessions_.find(info.id);
  if (it == sessions_.end())
    return;
  auto node = sessions_.extract(it);
  auto& was = node.mapped();
  addresses_.erase(was.handle.address());
  if (auto named = names_.find(was.info.name); named != names_.end() && named->second == info.id)
    names_.erase(named);
  for (auto& what : was.executions)
    orphans_.push_back(std::move(what));
  tidy_orphans();
  if (!was.one_shot && !was.member)
    bury(info);
  if (plan_.session_ended)
    plan_.session_ended(info);
  if (draining_ && sessions_.empty()) // Else the next tick looks after the others.
    drain_step();
}

void tenant_core::on_down(const caf::actor_addr& who) {
  auto it = addresses_.find(who);
  if (it == addresses_.end())
    return; // It had reported its end in order.
  auto info = sessions_.at(it->second).info;
  info.state = session_state::dead;
  info.cause = cause{.what = "internal", .limit = {}, .enforced_by = enforcer::daemon};
  plan_.watch.actor_restarted("session");
  on_ended(info);
}

void tenant_core::bury(const session_info& info) {
  tombs_[info.id] = info;
  tomb_order_.push_back(info.id);
  if (!info.name.empty())
    tomb_names_[info.name] = info.id;
  while (tomb_order_.size() > max_tombs) {
    auto oldest = tombs_.extract(tomb_order_.front());
    tomb_order_.pop_front();
    if (auto named = tomb_names_.find(oldest.mapped().name);
        named != tomb_names_.end() && named->second == oldest.key())
      tomb_names_.erase(named);
  }
}

// -- time
// -------------------------------------------------------------------------------------------

void tenant_core::on_tick() {
  if (draining_)
    return drain_step();
  tidy_executions();
  tick_in(tidy_interval);
}

void tenant_core::drain(clock_type::time_point deadline, std::function<void()> then) {
  draining_ = true;
  drain_deadline_ = deadline;
  drained_ = std::move(then);
  drain_step();
}

void tenant_core::drain_step() {
  if (sessions_.empty()) {
    if (auto then = std::exchange(drained_, nullptr))
      then();
    return;
  }
  bool late = clock_type::now() >= drain_deadline_;
  for (auto& [id, live] : sessions_) {
    if ((live.member || live.of_app) && !late)
      continue; // Its pool, or its application, knows when it is through.
    bool idle = std::all_of(live.executions.begin(), live.executions.end(),
                            [](const auto& e) { return e->end().has_value(); });
    unsigned tell = late ? 2 : idle ? 1 : 0;
    if (live.told_to_close < tell)
      caf::anon_send(live.handle, atom::close_v, reply<done>{});
    live.told_to_close = std::max(live.told_to_close, tell);
  }
  tick_in(drain_interval);
}

void tenant_core::tick_in(clock_type::duration delay) {
  timer_.expires_after(delay);
  timer_.async_wait([me = self_->address()](boost::system::error_code ec) {
    auto strong = caf::actor_cast<caf::actor>(me);
    if (!ec && strong)
      caf::anon_send(strong, atom::tick_v);
  });
}

tenant_actor::behavior_type tenant(tenant_actor::stateful_pointer<tenant_actor_state> self,
                                   tenant_plan plan) {
  speak_through_spdlog(self);
  self->state.core.emplace(std::move(plan), self);
  self->set_down_handler(
      [self](const caf::down_msg& down) { self->state.core->on_down(down.source); });
  return {
      [self](atom::submit, submission& what, const reply<execution_ptr>& to) {
        self->state.core->submit(std::move(what), to);
      },
      [self](atom::compile, submission& what, const reply<compiled>& to) {
        self->state.core->compile(std::move(what), to);
      },
      [self](atom::compile, code_store::code& what, const reply<compiled>& to) {
        to.give(compiled{.code = self->state.core->keep(std::move(what)), .error = {}});
      },
      [self](atom::find, const std::string& id, const reply<execution_ptr>& to) {
        self->state.core->find(id, to);
      },
      [self](atom::cancel, const std::string& id, const reply<bool>& to) {
        self->state.core->cancel(id, to);
      },
      [self](atom::pull, const execution_ptr& what, std::uint64_t credit) {
        self->state.core->pull(what, credit);
      },
      [self](atom::feed, const execution_ptr& what, app_feed& more) {
        self->state.core->feed(what, std::move(more));
      },
      [self](atom::create, const namespace_request& what, const reply<namespace_info>& to) {
        self->state.core->create_namespace(what, to);
      },
      [self](atom::destroy, const std::string& session, const std::string& which,
             const reply<done>& to) { self->state.core->destroy_namespace(session, which, to); },
      [self](atom::list, const std::string& session, const reply<std::vector<namespace_info>>& to) {
        self->state.core->list_namespaces(session, to);
      },
      [self](atom::memory, const std::string& session, const reply<worker_memory>& to) {
        self->state.core->memory(session, to);
      },
      [self](atom::disown, std::uint64_t owner) { self->state.core->release_owner(owner); },
      [self](atom::release, const execution_ptr& what) { self->state.core->abandoned(what); },
      [self](atom::list, const std::string& session, const reply<std::vector<execution_info>>& to) {
        self->state.core->list_executions(session, to);
      },
      [self](atom::create, const session_request& what, const reply<session_info>& to) {
        self->state.core->create(what, to);
      },
      [self](atom::create, session_request& what, const reply<session_actor>& to) {
        self->state.core->create_member(std::move(what), to);
      },
      [self](atom::describe, const std::string& session, const reply<session_info>& to) {
        self->state.core->describe(session, to);
      },
      [self](atom::list, const reply<std::vector<session_info>>& to) {
        self->state.core->list_sessions(to);
      },
      [self](atom::close, const std::string& session, bool discard, const reply<done>& to) {
        self->state.core->close(session, discard, to);
      },
      [self](atom::files, const std::string& session, const reply<session_files_ptr>& to) {
        self->state.core->files(session, to);
      },
      [self](atom::commit, const std::string& session, const std::string& volume, bool force,
             const reply<volume_info>& to) {
        self->state.core->commit(session, volume, force, to);
      },
      [self](atom::ended, const session_info& info) { self->state.core->on_ended(info); },
      [self](atom::ended, const execution_ptr& what) { self->state.core->on_large(what); },
      [self](atom::tick) { self->state.core->on_tick(); },
      [self](atom::list, const overview_part& what,
             const reply<std::vector<session_overview>>& to) {
        self->state.core->overview(what, to);
      },
      [self](atom::list, const overview_part& what,
             const reply<std::vector<execution_overview>>& to) {
        self->state.core->overview(what, to);
      },
      [self](atom::cancel, const std::string& id, stop_mode how, const reply<bool>& to) {
        self->state.core->stop(id, how, to);
      },
      [self](atom::close, const std::string& session, stop_mode how, const reply<done>& to) {
        self->state.core->end_session(session, how, to);
      },
      [self](atom::drain, clock_type::time_point deadline, std::function<void()>& then) {
        self->state.core->drain(deadline, std::move(then));
      },
  };
}

} // namespace vivarium
