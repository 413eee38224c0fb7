// SPDX-License-Identifier: Apache-2.0
#include "actors/tenant.hpp"

#include "actors/handlers.hpp"
#include "proto/ids.hpp"

#include <caf/all.hpp>

#include <algorithm>
#include <utility>

namespace vivarium {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t max_tombs = 1'000;
// Ended executions whose session has ended: one-shot evaluations above all.
constexpr std::size_t max_orphans = 1'000;
// Bytes that ended executions with large logs or results may hold together.
constexpr std::size_t max_large_bytes = 64u << 20;
constexpr auto tidy_interval = 10s;
// So many over the bound before a list is gone through, so that it is not done for each evaluation.
constexpr std::size_t tidy_slack = 16;
constexpr auto drain_interval = 10ms;

std::size_t bytes_of(const execution& what) {
  std::size_t n = what.end() ? what.end()->content.size() : 0;
  for (const auto& e : what.log())
    n += e.data.size();
  return n;
}

} // namespace

tenant_core::tenant_core(tenant_plan plan, caf::scheduled_actor* self)
    : plan_{std::move(plan)}, self_{self}, timer_{plan_.reactor} {
  tick_in(tidy_interval);
}

tenant_core::~tenant_core() {
  for (auto& [id, s] : sessions_)
    caf::anon_send_exit(s.handle, caf::exit_reason::kill);
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
  // A one-shot session has no id that anyone was told.
  return it == sessions_.end() || it->second.one_shot ? nullptr : &it->second;
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

result<tenant_core::live_session*> tenant_core::open(const std::string& name,
                                                     const std::string& environment,
                                                     std::chrono::milliseconds idle_timeout,
                                                     bool one_shot) {
  if (draining_)
    return error{errc::unavailable, "the daemon is stopping and takes no new sessions"};
  auto env = environment.empty() ? std::string{"default"} : environment;
  if (!plan_.config.environments.contains(env))
    return error{errc::not_found, "there is no environment '" + env + "'"};
  if (sessions_.size() >= plan_.config.max_sessions)
    return error{errc::limit_exceeded, "the tenant has " + std::to_string(sessions_.size())
                                           + " sessions, the maximum is "
                                           + std::to_string(plan_.config.max_sessions)};
  session_plan order;
  order.info.id = make_id(id_kind::session);
  order.info.name = name;
  order.info.environment = env;
  order.info.created = std::chrono::system_clock::now();
  order.tenant = plan_.name;
  order.idle_timeout = idle_timeout.count() > 0 ? idle_timeout : plan_.config.idle_timeout;
  order.one_shot = one_shot;
  auto info = order.info;
  caf::actor_addr me = self_->address();
  session_surroundings around{
      .reactor = plan_.reactor,
      .config = plan_.config,
      .watch = plan_.watch,
      .load = plan_.load,
      .pool = [pool = plan_.pool, env] { return pool(env); },
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
  if (!name.empty())
    names_[name] = info.id;
  auto& placed = sessions_[info.id];
  placed.handle = std::move(handle);
  placed.info = std::move(info);
  placed.one_shot = one_shot;
  return &placed;
}

void tenant_core::create(const session_request& what, const reply<session_info>& to) {
  if (!what.name.empty()) {
    if (auto ok = check_name(what.name); !ok)
      return to.refuse(ok.why());
    if (auto* there = find_session(what.name)) {
      if (!what.attach)
        return to.refuse(
            error{errc::already_exists, "there is a session '" + what.name + "' already"});
      return caf::anon_send(there->handle, atom::describe_v, to);
    }
  }
  auto made = open(what.name, what.environment, what.idle_timeout, false);
  if (!made)
    return to.refuse(made.why());
  caf::anon_send((*made)->handle, atom::describe_v, to);
}

void tenant_core::describe(const std::string& session, const reply<session_info>& to) {
  if (auto* live = find_session(session))
    return caf::anon_send(live->handle, atom::describe_v, to);
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
    if (live.one_shot)
      continue;
    caf::anon_send(live.handle, atom::describe_v,
                   reply<session_info>{[gather](result<session_info> info) {
                     if (info)
                       gather->all.push_back(std::move(*info));
                   }});
  }
}

void tenant_core::close(const std::string& session, const reply<done>& to) {
  if (auto* live = find_session(session))
    return caf::anon_send(live->handle, atom::close_v, to);
  auto why = no_such_session(session);
  // Closing what has ended already is no error.
  if (why.code == errc::session_lost)
    return to.give(done{});
  to.refuse(std::move(why));
}

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
  if (orphans_.size() >= max_orphans + tidy_slack)
    forget_old(orphans_, max_orphans, clock_type::time_point::min());
  if (!was.one_shot)
    bury(info);
  if (draining_)
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

// -- executions
// -------------------------------------------------------------------------------------

status tenant_core::complete(submission& what) {
  if (!what.code.empty()) {
    const auto* known = codes_.find(what.code);
    if (known == nullptr)
      return error{errc::not_found,
                   "there is no compiled code '" + what.code + "' any more; compile it again"};
    what.source = known->source;
    what.filename = known->filename;
    what.first_line = known->first_line;
  }
  if (what.source.size() > plan_.config.source_bytes)
    return error{errc::too_large, "the source has " + std::to_string(what.source.size())
                                      + " bytes, the maximum is "
                                      + std::to_string(plan_.config.source_bytes)};
  if (what.timeout.count() <= 0)
    what.timeout = plan_.config.timeout;
  what.timeout = std::min(what.timeout, plan_.config.max_timeout);
  what.first_line = std::max<std::uint32_t>(what.first_line, 1);
  return done{};
}

result<tenant_core::live_session*> tenant_core::place(const submission& what) {
  if (what.session.empty())
    return open("", what.environment, {}, true);
  if (auto* there = find_session(what.session))
    return there;
  if (!what.create_session || looks_like_id(id_kind::session, what.session))
    return no_such_session(what.session);
  if (auto ok = check_name(what.session); !ok)
    return ok.why();
  return open(what.session, what.environment, {}, false);
}

execution_ptr tenant_core::remember(live_session& where, submission&& what) {
  auto made = std::make_shared<execution>(make_id(id_kind::execution),
                                          where.one_shot ? std::string{} : where.info.id,
                                          std::move(what), plan_.config.log_bytes);
  executions_.emplace(made->id(), known_execution{made, where.handle});
  where.executions.push_back(made);
  if (where.executions.size() >= plan_.config.kept_executions + tidy_slack)
    forget_old(where.executions, plan_.config.kept_executions, clock_type::time_point::min());
  return made;
}

void tenant_core::forget_old(std::deque<execution_ptr>& list, std::size_t keep,
                             clock_type::time_point before) {
  auto expired = [before](const execution& what) {
    return what.end() && what.submitted() + what.end()->usage.wall < before;
  };
  // One that runs long may stand before many that have ended since; it stays.
  auto excess = list.size() > keep ? list.size() - keep : 0;
  std::erase_if(list, [&](const execution_ptr& what) {
    if (!what->end() || (excess == 0 && !expired(*what)))
      return false;
    excess -= excess > 0 ? 1 : 0;
    executions_.erase(what->id());
    return true;
  });
}

void tenant_core::submit(submission what, const reply<execution_ptr>& to) {
  if (draining_)
    return to.refuse(error{errc::unavailable, "the daemon is stopping and takes no new work"});
  if (auto ok = complete(what); !ok)
    return to.refuse(ok.why());
  auto where = place(what);
  if (!where)
    return to.refuse(where.why());
  auto made = remember(**where, std::move(what));
  caf::anon_send((*where)->handle, atom::run_v, std::move(made), to);
}

void tenant_core::compile(submission what, const reply<compiled>& to) {
  // Watches the one execution that checks the source.
  struct checker : follower {
    checker(caf::actor_addr t, code_store::code c, reply<compiled> r)
        : tenant{std::move(t)}, content{std::move(c)}, to{std::move(r)} {}
    void on_progress(execution& source) override {
      if (!source.end())
        return;
      if (source.end()->outcome == verdict::kind::error)
        return to.give(compiled{.code = {}, .error = source.end()->content});
      if (auto strong = caf::actor_cast<caf::actor>(tenant))
        caf::anon_send(strong, atom::compile_v, std::move(content), to);
    }
    caf::actor_addr tenant;
    code_store::code content;
    reply<compiled> to;
  };
  what.mode = bridge::run_mode::compile;
  what.form = bridge::value_form::none;
  what.session.clear();
  code_store::code content{what.source, what.filename, std::max(what.first_line, 1u)};
  auto watching = std::make_shared<checker>(self_->address(), std::move(content), to);
  submit(std::move(what), reply<execution_ptr>{[watching](result<execution_ptr> made) {
           if (made)
             (*made)->subscribe(watching);
           else
             watching->to.refuse(made.why());
         }});
}

void tenant_core::find(const std::string& id, const reply<execution_ptr>& to) {
  auto it = executions_.find(id);
  if (it == executions_.end())
    return to.refuse(error{errc::not_found, "there is no execution '" + id + "'"});
  to.give(it->second.what);
}

void tenant_core::cancel(const std::string& id, const reply<bool>& to) {
  auto it = executions_.find(id);
  if (it == executions_.end())
    return to.refuse(error{errc::not_found, "there is no execution '" + id + "'"});
  if (it->second.what->end())
    return to.give(false);
  caf::anon_send(it->second.where, atom::cancel_v, it->second.what, stop_mode::interrupt, to);
}

void tenant_core::abandoned(const execution_ptr& what) {
  auto it = executions_.find(what->id());
  if (it == executions_.end() || what->end())
    return;
  auto policy = what->request().disconnect.value_or(
      what->session_id().empty() ? on_disconnect::kill : on_disconnect::detach);
  if (policy == on_disconnect::detach)
    return;
  auto mode = policy == on_disconnect::kill ? stop_mode::kill : stop_mode::interrupt;
  caf::anon_send(it->second.where, atom::cancel_v, what, mode, reply<bool>{});
}

void tenant_core::list_executions(const std::string& session,
                                  const reply<std::vector<execution_info>>& to) {
  std::string id;
  if (!session.empty()) {
    auto* live = find_session(session);
    if (live == nullptr)
      return to.refuse(no_such_session(session));
    id = live->info.id;
  }
  std::vector<execution_info> out;
  std::vector<std::pair<clock_type::time_point, execution_info>> found;
  for (const auto& [key, known] : executions_) {
    const auto& what = *known.what;
    if (id.empty() || what.session_id() == id)
      found.emplace_back(what.submitted(),
                         execution_info{what.id(), what.session_id(), what.now(),
                                        what.last_sequence(), session_state::ready});
  }
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (auto& [when, info] : found) {
    info.session =
        info.state == execution::state::done ? session_state::ready : session_state::busy;
    out.push_back(std::move(info));
  }
  to.give(std::move(out));
}

// -- time
// -------------------------------------------------------------------------------------------

void tenant_core::on_large(const execution_ptr& what) {
  large_.push_back(what);
  large_bytes_ += bytes_of(*what);
  while (large_bytes_ > max_large_bytes && !large_.empty()) {
    auto oldest = std::move(large_.front());
    large_.pop_front();
    large_bytes_ -= bytes_of(*oldest);
    executions_.erase(oldest->id());
    std::erase(orphans_, oldest);
    auto home = sessions_.find(oldest->session_id());
    if (home != sessions_.end())
      std::erase(home->second.executions, oldest);
  }
}

void tenant_core::on_tick() {
  if (draining_)
    return drain_step();
  auto horizon = clock_type::now() - plan_.config.log_ttl;
  for (auto& [id, live] : sessions_)
    forget_old(live.executions, plan_.config.kept_executions, horizon);
  forget_old(orphans_, max_orphans, horizon);
  while (!large_.empty() && !executions_.contains(large_.front()->id())) {
    large_bytes_ -= bytes_of(*large_.front());
    large_.pop_front();
  }
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
    bool idle = std::all_of(live.executions.begin(), live.executions.end(),
                            [](const auto& e) { return e->end().has_value(); });
    if (idle || late)
      caf::anon_send(live.handle, atom::close_v, reply<done>{});
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
      [self](atom::release, const execution_ptr& what) { self->state.core->abandoned(what); },
      [self](atom::list, const std::string& session, const reply<std::vector<execution_info>>& to) {
        self->state.core->list_executions(session, to);
      },
      [self](atom::create, const session_request& what, const reply<session_info>& to) {
        self->state.core->create(what, to);
      },
      [self](atom::describe, const std::string& session, const reply<session_info>& to) {
        self->state.core->describe(session, to);
      },
      [self](atom::list, const reply<std::vector<session_info>>& to) {
        self->state.core->list_sessions(to);
      },
      [self](atom::close, const std::string& session, const reply<done>& to) {
        self->state.core->close(session, to);
      },
      [self](atom::ended, const session_info& info) { self->state.core->on_ended(info); },
      [self](atom::ended, const execution_ptr& what) { self->state.core->on_large(what); },
      [self](atom::tick) { self->state.core->on_tick(); },
      [self](atom::drain, clock_type::time_point deadline, std::function<void()>& then) {
        self->state.core->drain(deadline, std::move(then));
      },
  };
}

} // namespace vivarium
