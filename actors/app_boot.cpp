// SPDX-License-Identifier: Apache-2.0

// How applications are started, started again, and shut down.

#include "actors/administration.hpp"
#include "actors/app_registry.hpp"
#include "actors/verdicts.hpp"
#include "bridge/value_view.hpp"
#include "bridge/value_writer.hpp"
#include "proto/ids.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <utility>

namespace vivarium {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t most_workers = 64;
constexpr std::uint64_t most_body = 1u << 30;
constexpr std::size_t most_concurrent = 100'000;
// Sessions that end by themselves are replaced so often in so long, each a little later.
constexpr std::size_t most_restarts = 5;
constexpr auto restart_window = 1min;
constexpr auto restart_delay = 50ms;
// What a lifespan's shutdown may take.
constexpr auto shutdown_timeout = 10s;

/// Tells once when an execution has ended.
class at_end final : public follower {
public:
  explicit at_end(std::function<void(const verdict&)> then) : then_{std::move(then)} {}
  void on_progress(execution& source) override {
    if (source.end())
      if (auto then = std::exchange(then_, nullptr))
        then(*source.end());
  }

private:
  std::function<void(const verdict&)> then_;
};

void follow(const execution_ptr& what, std::function<void(const verdict&)> then) {
  auto watching = std::make_shared<at_end>(std::move(then));
  if (what->end())
    watching->on_progress(*what);
  else
    what->subscribe(std::move(watching));
}

bool is_ready(const app_worker& worker) noexcept {
  return worker.ready;
}

bool serves(const app_worker& worker) noexcept {
  return worker.ready && !worker.leaving;
}

std::string boot_operands(std::uint64_t number, const app_plan& plan) {
  const char* kind = plan.kind == app_kind::asgi   ? "asgi"
                     : plan.kind == app_kind::wsgi ? "wsgi"
                                                   : "";
  std::array items{bridge::int_value(static_cast<std::int64_t>(number)),
                   plan.module.empty() ? bridge::none_value() : bridge::text_value(plan.module),
                   bridge::text_value(plan.attribute), bridge::text_value(kind)};
  return bridge::list_value(items);
}

error boot_error(const verdict& how) {
  auto kind = static_cast<error_kind>(how.error_kind);
  auto code = kind == error_kind::timeout        ? errc::deadline_exceeded
              : kind == error_kind::session_lost ? errc::session_lost
                                                 : errc::failed_precondition;
  return error{code, "the application did not start: " + text_of_error(how.content, 5),
               how.content};
}

} // namespace

status app_registry::check(const std::string& tenant, const app_plan& what) const {
  if (draining_)
    return error{errc::unavailable, "the daemon is stopping and takes no new applications"};
  if (what.session.empty() && around_.drained())
    return administration::drained_error();
  if (!what.name.empty()) {
    if (auto ok = check_name(what.name); !ok)
      return ok;
    if (names_.contains({tenant, what.name}))
      return error{errc::already_exists,
                   "there is an application '" + what.name + "' already; close it first"};
  }
  if (!what.host.empty()) {
    if (auto ok = check_name(what.host); !ok)
      return ok;
    if (what.host.starts_with("app-"))
      return error{errc::invalid_argument,
                   "a `host` does not start with 'app-': such are the applications' ids"};
    if (hosts_.contains(what.host))
      return error{errc::already_exists, "the host '" + what.host + "' is taken"};
  }
  if (what.workers < 1 || what.workers > most_workers)
    return error{errc::invalid_argument,
                 "an application has 1 to " + std::to_string(most_workers) + " workers"};
  if (!what.session.empty() && what.workers > 1)
    return error{errc::invalid_argument, "an application in one `session` has one worker"};
  if (what.limits.body_bytes > most_body || what.limits.concurrent > most_concurrent)
    return error{errc::invalid_argument,
                 "`limits`: at most 1 GiB of a body and 100,000 requests at once"};
  auto own =
      static_cast<std::size_t>(std::count_if(apps_.begin(), apps_.end(), [&](const auto& one) {
        return one.second->info.tenant == tenant;
      }));
  if (own >= around_.config.max_apps)
    return error{errc::limit_exceeded,
                 "a tenant may have " + std::to_string(around_.config.max_apps)
                     + " applications; close one",
                 {},
                 {"apps", own, around_.config.max_apps, 1s}};
  return done{};
}

void app_registry::boot(const std::string& tenant, app_plan what, const reply<app_info>& to) {
  if (auto ok = check(tenant, what); !ok)
    return to.refuse(std::move(ok).why());
  auto made = std::make_shared<entry>();
  auto& info = made->info;
  info.id = make_id(id_kind::app);
  info.name = what.name;
  info.tenant = tenant;
  info.host = what.host;
  if (!what.host.empty() && !around_.config.app_domain.empty())
    info.hosts.push_back(what.host + "." + around_.config.app_domain);
  info.kind = what.kind;
  info.access = what.access;
  info.created = std::chrono::system_clock::now();
  info.limits = what.limits;
  const auto& usual = around_.config.apps;
  if (info.limits.concurrent == 0)
    info.limits.concurrent = usual.concurrent;
  if (info.limits.body_bytes == 0)
    info.limits.body_bytes = usual.body_bytes;
  if (info.limits.request_timeout.count() <= 0)
    info.limits.request_timeout = usual.request_timeout;
  if (info.limits.idle_timeout.count() <= 0)
    info.limits.idle_timeout = usual.idle_timeout;
  if (what.attribute.empty())
    what.attribute = "app";
  if (what.filename.empty())
    what.filename = (what.name.empty() ? "app" : what.name) + ".py";
  if (what.boot_timeout.count() <= 0)
    what.boot_timeout = around_.config.init_timeout;
  if (what.wish.idle_timeout.count() <= 0)
    what.wish.idle_timeout = std::chrono::hours{24 * 365}; // Idle is what it may be.
  what.wish.request_id = what.request_id;
  what.wish.of_app = true;
  made->number = ++last_number_;
  made->plan = std::move(what);
  made->booted = to;
  apps_[info.id] = made;
  if (!info.name.empty())
    names_[{tenant, info.name}] = info.id;
  if (!info.host.empty())
    hosts_[info.host] = info.id;
  for (std::size_t n = made->plan.workers; n > 0 && apps_.contains(info.id); --n)
    boot_worker(info.id);
}

void app_registry::boot_worker(const std::string& id) {
  auto& app = *apps_.at(id);
  ++app.making;
  auto made = [this, id, tenant = app.info.tenant,
               owned = app.owns()](result<session_info> session) {
    if (auto found = apps_.find(id); found != apps_.end())
      --found->second->making;
    if (!session)
      boot_failed(id, {}, std::move(session).why());
    else if (apps_.contains(id))
      boot_in(id, session->id);
    else if (owned) // It was given up meanwhile.
      around_.close_session(tenant, session->id);
  };
  if (app.owns()) {
    auto wish = app.plan.wish;
    wish.trace = app.plan.trace.child();
    around_.create_session(app.info.tenant, std::move(wish), reply<session_info>{made});
  } else {
    around_.get_session(app.info.tenant, app.plan.session, reply<session_info>{made});
  }
}

void app_registry::boot_in(const std::string& id, const std::string& session) {
  auto& app = *apps_.at(id);
  app.info.workers.push_back({.session = session});
  sessions_.emplace(session, id);
  submission order;
  order.session = session;
  order.mode = bridge::run_mode::boot_app;
  order.source = app.plan.source;
  order.filename = app.plan.filename;
  order.operands = boot_operands(app.number, app.plan);
  order.timeout = app.plan.boot_timeout;
  order.request_id = app.plan.request_id;
  order.trace = app.plan.trace.child();
  around_.submit(app.info.tenant, std::move(order),
                 reply<execution_ptr>{[this, id, session](result<execution_ptr> made) {
                   if (!made)
                     return boot_failed(id, session, std::move(made).why());
                   follow(*made,
                          [this, id, session](const verdict& how) { on_booted(id, session, how); });
                 }});
}

void app_registry::on_booted(const std::string& id, const std::string& session,
                             const verdict& how) {
  auto found = apps_.find(id);
  if (found == apps_.end() || found->second->closing)
    return;
  auto& app = *found->second;
  if (how.outcome == verdict::kind::error)
    return boot_failed(id, session, boot_error(how));
  if (app.shut && app.owns()) // It was to take the place of another when the drain began.
    return close_in(session, found->second, [] {});
  auto kind = bridge::value_view::open(how.content);
  app.info.kind = kind.content == "wsgi" ? app_kind::wsgi : app_kind::asgi;
  for (auto& worker : app.info.workers)
    if (worker.session == session) {
      worker.ready = true;
      worker.since = clock_type::now();
    }
  app.info.state = app_state::ready;
  app.failed_boots = 0;
  dismiss_old(found->second);
  if (std::count_if(app.info.workers.begin(), app.info.workers.end(), is_ready)
      < static_cast<std::ptrdiff_t>(app.plan.workers))
    return;
  app.first_boot = false;
  app.plan.trace = {};
  app.info.trouble.clear();
  app.booted.give(app.info);
  end_if_drained(found->second);
}

// Without a session none could be made.
void app_registry::boot_failed(const std::string& id, const std::string& session, error why) {
  auto found = apps_.find(id);
  if (found == apps_.end() || found->second->closing)
    return;
  auto app = found->second;
  if (!app->first_boot) {
    app->info.trouble = why.detail;
    put_off_recycling(*app, why);
    // Another session may be tried: one in which it did not start is of no use, and has to end.
    if (session.empty() && why.code == errc::circuit_open)
      await_circuit(*app, why.quota.retry_after);
    else if (session.empty())
      replace_worker(*app);
    else if (app->owns())
      around_.close_session(app->info.tenant, session);
    return;
  }
  app->closing = true;
  forget(*app);
  if (app->owns())
    for (const auto& worker : app->info.workers)
      around_.close_session(app->info.tenant, worker.session);
  app->booted.refuse(std::move(why));
}

// How many fewer sessions serve it, or will, than should. What recycling made beside them is not
// missed when it fails, and one that leaves is not when it ends: neither is to use up how often the
// application may be started again.
std::size_t app_registry::missing_workers(const entry& app) {
  const auto& workers = app.info.workers;
  auto there =
      app.making
      + static_cast<std::size_t>(std::count_if(workers.begin(), workers.end(),
                                               [](const auto& worker) { return !worker.leaving; }));
  return app.plan.workers - std::min(there, app.plan.workers);
}

void app_registry::replace_worker(entry& app) {
  auto now = clock_type::now();
  while (!app.restarts.empty() && app.restarts.front() + restart_window < now)
    app.restarts.pop_front();
  bool lacks = missing_workers(app) > 0;
  bool again = app.owns() && !draining_ && (!lacks || app.restarts.size() < most_restarts);
  if (std::none_of(app.info.workers.begin(), app.info.workers.end(), serves))
    app.info.state = again ? app_state::booting : app_state::dead;
  if (!again || !lacks)
    return;
  app.restarts.push_back(now);
  spdlog::warn("application {} of tenant {} is started again in a new session", app.info.id,
               app.info.tenant);
  boot_missing_after(app, restart_delay * (std::size_t{1} << app.restarts.size()));
}

// Nothing was tried, so that it is no attempt that failed: five refusals take seconds, and the
// application would be dead for good.
void app_registry::await_circuit(entry& app, std::chrono::milliseconds until) {
  if (!app.owns() || draining_ || missing_workers(app) == 0)
    return;
  if (std::none_of(app.info.workers.begin(), app.info.workers.end(), serves))
    app.info.state = app_state::booting;
  boot_missing_after(app, until);
}

void app_registry::boot_missing_after(entry& app, std::chrono::milliseconds delay) {
  app.timer = std::make_unique<boost::asio::steady_timer>(around_.reactor, delay);
  app.timer->async_wait([this, id = app.info.id](boost::system::error_code bad) {
    auto found = bad ? apps_.end() : apps_.find(id);
    if (found == apps_.end() || found->second->closing)
      return;
    for (auto missing = missing_workers(*found->second); missing > 0; --missing)
      boot_worker(id);
  });
}

void app_registry::close(const std::string& tenant, const std::string& which,
                         const reply<done>& to) {
  auto app = entry_of(tenant, which);
  if (!app)
    return to.refuse(no_such_app(which));
  app->closing = true;
  app->timer.reset();
  if (app->first_boot)
    app->booted.refuse(error{errc::cancelled, "the application was closed while it was started"});
  forget(*app);
  shut_down(app, to);
}

void app_registry::drain() {
  draining_ = true;
  for (const auto& [id, app] : apps_)
    end_if_drained(app);
}

// One that starts is looked at again when it has.
void app_registry::end_if_drained(const std::shared_ptr<entry>& app) {
  if (!draining_ || app->first_boot || app->shut || !app->running.empty())
    return;
  // Some may have been given to a session that has not said yet that it took them.
  if (std::any_of(app->info.workers.begin(), app->info.workers.end(),
                  [](const auto& worker) { return worker.in_flight > 0; }))
    return;
  app->shut = true;
  shut_down(app, {});
}

void app_registry::shut_down(const std::shared_ptr<entry>& app, const reply<done>& to) {
  // The last word, of whichever session, is the answer.
  struct gathering {
    reply<done> to;
    ~gathering() { to.give(done{}); }
  };
  auto gather = std::make_shared<gathering>();
  gather->to = to;
  // A session that goes on would go on with them; some, like a WebSocket, have no end of their own.
  for (const auto& one : std::exchange(app->running, {}))
    around_.cancel(app->info.tenant, one);
  for (const auto& worker : app->info.workers)
    close_in(worker.session, app, [gather] {});
}

// Has the application shut down in that session, which then ends if it is the application's.
void app_registry::close_in(const std::string& session, const std::shared_ptr<entry>& app,
                            std::function<void()> then) {
  auto through = [this, app, session, then = std::move(then)] {
    if (app->owns())
      around_.close_session(app->info.tenant, session);
    then();
  };
  submission order;
  order.session = session;
  order.mode = bridge::run_mode::close_app;
  order.form = bridge::value_form::none;
  std::array number{bridge::int_value(static_cast<std::int64_t>(app->number))};
  order.operands = bridge::list_value(number);
  order.timeout = shutdown_timeout;
  around_.submit(app->info.tenant, std::move(order),
                 reply<execution_ptr>{[through](result<execution_ptr> made) {
                   if (!made)
                     through();
                   else
                     follow(*made, [through](const verdict&) { through(); });
                 }});
}

} // namespace vivarium
