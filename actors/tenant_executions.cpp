// SPDX-License-Identifier: Apache-2.0

// The executions of a tenant: where they are placed, how they are found again, when they are
// forgotten.

#include "actors/tenant.hpp"
#include "proto/ids.hpp"

#include <caf/all.hpp>

#include <algorithm>
#include <utility>

namespace vivarium {

namespace {

// What holds for requests that name no profile.
constexpr std::string_view default_profile = "default";
// Ended executions whose session has ended: one-shot evaluations above all.
constexpr std::size_t max_orphans = 1'000;
// Bytes that ended executions with large logs or results may hold together.
constexpr std::size_t max_large_bytes = 64u << 20;
// So many over the bound before a list is gone through, so that it is not done for each evaluation.
constexpr std::size_t tidy_slack = 16;

std::size_t bytes_of(const execution& what) {
  std::size_t n = what.end() ? what.end()->content.size() : 0;
  for (const auto& e : what.log())
    n += e.data.size();
  return n;
}

} // namespace

std::chrono::milliseconds tenant_core::longest() const {
  const auto& own = may();
  return own.max_timeout.count() > 0 ? own.max_timeout : plan_.config.max_timeout;
}

result<std::chrono::milliseconds> tenant_core::deadline_of(const submission& what) const {
  const auto& own = may();
  bool stream = what.stream_credit > 0;
  auto most = longest();
  auto usual = own.timeout.count() > 0 ? own.timeout : plan_.config.timeout;
  auto chosen = stream ? plan_.config.stream_timeout : usual;
  const auto& profile = what.timeout_profile.empty() ? own.timeout_profile : what.timeout_profile;
  if (!profile.empty() && profile != default_profile) {
    auto found = plan_.config.timeout_profiles.find(profile);
    if (found == plan_.config.timeout_profiles.end())
      return error{errc::invalid_argument, "there is no timeout profile '" + profile
                                               + "'; it would be [timeouts." + profile
                                               + "] of the configuration"};
    chosen = stream ? found->second.stream : found->second.call;
    if (chosen.count() <= 0)
      chosen = most;
  }
  return std::min(what.timeout.count() > 0 ? what.timeout : chosen, most);
}

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
  auto deadline = deadline_of(what);
  if (!deadline)
    return std::move(deadline).why();
  what.timeout = *deadline;
  what.socket_timeout = std::min(what.socket_timeout, longest());
  if (what.idle_timeout.count() <= 0)
    what.idle_timeout = plan_.config.stream_idle;
  what.first_line = std::max<std::uint32_t>(what.first_line, 1);
  return done{};
}

result<tenant_core::live_session*> tenant_core::place(const submission& what) {
  session_request wish;
  wish.name = what.session;
  wish.environment = what.environment;
  wish.request_id = what.request_id;
  wish.trace = what.trace.sibling();
  if (what.limits)
    wish.limits = *what.limits;
  if (what.files)
    wish.files = std::move(*what.files);
  if (what.repeats)
    wish.repeats = *what.repeats;
  if (what.session.empty())
    return open(std::move(wish), true);
  if (auto* there = find_session(what.session))
    return there;
  if (!what.create_session || looks_like_id(id_kind::session, what.session))
    return no_such_session(what.session);
  if (auto ok = check_name(what.session); !ok)
    return ok.why();
  return open(std::move(wish), false);
}

execution_ptr tenant_core::remember(live_session& where, submission&& what) {
  auto made = std::make_shared<execution>(make_id(id_kind::execution),
                                          where.one_shot ? std::string{} : where.info.id,
                                          std::move(what), where.info.limits[limit::event_log]);
  executions_.emplace(made->id(), known_execution{made, where.handle});
  where.executions.push_back(made);
  if (where.executions.size() >= plan_.config.kept_executions + tidy_slack)
    forget_old(where.executions, plan_.config.kept_executions, clock_type::time_point::min());
  return made;
}

result<runner_actor> tenant_core::find_pool(submission& what) {
  auto found = plan_.session_pool(what.pool);
  if (found) {
    what.charged_to = plan_.name;
    what.owner = 0; // No connection owns anything in a session that it does not have.
  }
  return found;
}

void tenant_core::forget_old(std::deque<execution_ptr>& list, std::size_t keep,
                             clock_type::time_point before) {
  auto expired = [before](const execution& what) {
    return what.end() && what.submitted() + what.end()->usage.wall < before;
  };
  auto excess = list.size() > keep ? list.size() - keep : 0;
  for (; excess > 0 && list.front()->end(); --excess) {
    executions_.erase(list.front()->id());
    list.pop_front();
  }
  if (excess == 0 && before == clock_type::time_point::min())
    return;
  // One that runs long may stand before many that have ended since; it stays.
  std::erase_if(list, [&](const execution_ptr& what) {
    if (!what->end() || (excess == 0 && !expired(*what)))
      return false;
    excess -= excess > 0 ? 1 : 0;
    executions_.erase(what->id());
    return true;
  });
}

void tenant_core::submit(submission&& what, const reply<execution_ptr>& to) {
  // What an application does at its end is not new work.
  if (draining_ && what.mode != bridge::run_mode::close_app)
    return to.refuse(error{errc::unavailable, "the daemon is stopping and takes no new work"});
  if (auto ok = complete(what); !ok)
    return to.refuse(ok.why());
  // Not only their number: a thousand of sixteen megabytes each would be the daemon's memory.
  auto bytes = what.source.size() + what.operands.size();
  if (*waiting_bytes_ + bytes > plan_.config.queue_bytes)
    return to.refuse(
        error{errc::limit_exceeded, "what waits to be run holds " + std::to_string(*waiting_bytes_)
                                        + " bytes of sources and values, and this one has "
                                        + std::to_string(bytes) + ": the maximum is "
                                        + std::to_string(plan_.config.queue_bytes)
                                        + " (limits.queue_bytes); try again when some have begun"});
  auto slot = plan_.quotas.execution(what.request_id);
  if (!slot)
    return to.refuse(slot.why());
  // What says in which kind of session it shall run is not sent elsewhere.
  bool open_to_routes = what.pool.empty() && what.session.empty() && what.environment.empty()
                        && !what.limits && !what.function.empty();
  if (open_to_routes)
    what.pool = plan_.route(what.function);
  if (!what.pool.empty()) {
    auto pool = find_pool(what);
    if (!pool)
      return to.refuse(std::move(pool).why());
    auto made = std::make_shared<execution>(make_id(id_kind::execution), std::string{},
                                            std::move(what), plan_.config.limits[limit::event_log]);
    executions_.emplace(made->id(), known_execution{made, *pool});
    orphans_.push_back(made);
    tidy_orphans();
    made->charge = byte_charge{waiting_bytes_, bytes};
    made->hold(*std::move(slot));
    return caf::anon_send(*pool, atom::run_v, std::move(made), to);
  }
  auto where = place(what);
  if (!where)
    return to.refuse(where.why());
  if (what.owner != 0)
    owners_[what.owner].insert((*where)->info.id);
  auto made = remember(**where, std::move(what));
  made->charge = byte_charge{waiting_bytes_, bytes};
  made->hold(*std::move(slot));
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

void tenant_core::pull(const execution_ptr& what, std::uint64_t credit) {
  auto it = executions_.find(what->id());
  if (it != executions_.end() && !what->end())
    caf::anon_send(it->second.where, atom::pull_v, what, credit);
}

void tenant_core::feed(const execution_ptr& what, app_feed more) {
  if (what->end())
    return;
  auto home = sessions_.find(what->session_id());
  if (home != sessions_.end())
    caf::anon_send(home->second.handle, atom::feed_v, what, std::move(more));
}

void tenant_core::abandoned(const execution_ptr& what) {
  auto it = executions_.find(what->id());
  if (it == executions_.end() || what->end())
    return;
  // Nobody will ever ask for the rest of a stream.
  if (what->request().stream_credit > 0 && !what->request().disconnect && !what->one_shot())
    return caf::anon_send(it->second.where, atom::pull_v, what, std::uint64_t{0});
  auto policy = what->request().disconnect.value_or(what->one_shot() ? on_disconnect::kill
                                                                     : on_disconnect::detach);
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

void tenant_core::on_large(const execution_ptr& what) {
  // In a session of a shared pool: it is kept by whoever asked for it.
  if (const auto& whose = what->request().charged_to; !whose.empty() && whose != plan_.name)
    return caf::anon_send(plan_.other(whose), atom::ended_v, what);
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

void tenant_core::tidy_orphans() {
  if (orphans_.size() >= max_orphans + tidy_slack)
    forget_old(orphans_, max_orphans, clock_type::time_point::min());
}

void tenant_core::tidy_executions() {
  auto horizon = clock_type::now() - plan_.config.log_ttl;
  for (auto& [id, live] : sessions_)
    forget_old(live.executions, plan_.config.kept_executions, horizon);
  forget_old(orphans_, max_orphans, horizon);
  while (!large_.empty() && !executions_.contains(large_.front()->id())) {
    large_bytes_ -= bytes_of(*large_.front());
    large_.pop_front();
  }
}

} // namespace vivarium
