// SPDX-License-Identifier: Apache-2.0
#include "actors/app_registry.hpp"

#include "actors/verdicts.hpp"
#include "proto/ids.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace vivarium {

using std::chrono::duration_cast;
using std::chrono::microseconds;

namespace {

constexpr std::size_t most_recent = 16;
constexpr std::size_t most_request_text = 256;

std::string_view outcome_of(const execution& what) {
  const auto& how = *what.end();
  if (how.outcome != verdict::kind::error)
    return "ok";
  if (what.client_gone)
    return "left";
  switch (static_cast<error_kind>(how.error_kind)) {
    case error_kind::timeout: return "timeout";
    case error_kind::session_lost: return "lost";
    case error_kind::cancelled: return "cancelled";
    default: return "failed";
  }
}

} // namespace

error app_registry::no_such_app(const std::string& which) {
  return error{errc::not_found, "there is no application '" + which + "'"};
}

std::shared_ptr<app_registry::entry> app_registry::entry_of(const std::string& tenant,
                                                            const std::string& which) const {
  auto id = which;
  if (!looks_like_id(id_kind::app, which)) {
    auto named = names_.find({tenant, which});
    if (named == names_.end())
      return nullptr;
    id = named->second;
  }
  auto found = apps_.find(id);
  bool theirs = found != apps_.end() && found->second->info.tenant == tenant;
  return theirs && !found->second->closing ? found->second : nullptr;
}

result<app_info> app_registry::describe(const std::string& tenant, const std::string& which) const {
  auto found = entry_of(tenant, which);
  if (!found)
    return no_such_app(which);
  return found->info;
}

std::vector<app_info> app_registry::list(const std::string& tenant) const {
  std::vector<app_info> out;
  for (const auto& [id, app] : apps_)
    if (app->info.tenant == tenant && !app->closing)
      out.push_back(app->info);
  for (auto& one : out)
    one.recent.clear();
  std::sort(out.begin(), out.end(),
            [](const auto& a, const auto& b) { return a.created < b.created; });
  return out;
}

const app_info* app_registry::find(const std::string& tenant, const std::string& which) const {
  auto found = entry_of(tenant, which);
  return found ? &found->info : nullptr;
}

const app_info* app_registry::find_id(const std::string& id) const {
  auto found = apps_.find(id);
  return found == apps_.end() || found->second->closing ? nullptr : &found->second->info;
}

const app_info* app_registry::find_host(const std::string& label) const {
  auto found = hosts_.find(label);
  return found == hosts_.end() ? nullptr : find_id(found->second);
}

namespace {

// The daemon's word instead of the client's: what was malformed does not get any further, and a
// state without a parent means nothing.
void mark_headers(bridge::app_request& what, std::string_view request_id,
                  std::string_view traceparent) {
  std::erase_if(what.headers, [&](const auto& header) {
    const auto& name = header.first;
    return name == "x-request-id" || name == "traceparent"
           || (name == "tracestate" && traceparent.empty());
  });
  what.headers.emplace_back("x-request-id", request_id);
  if (!traceparent.empty())
    what.headers.emplace_back("traceparent", traceparent);
}

} // namespace

result<std::shared_ptr<app_exchange>>
app_registry::ask(const std::string& id, bridge::app_request what, const std::string& request_id,
                  const trace_place& trace, std::function<void()> on_change) {
  auto found = apps_.find(id);
  if (found == apps_.end() || found->second->closing)
    return no_such_app(id);
  auto& app = *found->second;
  auto& info = app.info;
  std::uint64_t in_flight = 0;
  app_worker* least = nullptr;
  for (auto& worker : info.workers) {
    in_flight += worker.in_flight;
    if (worker.ready && !worker.leaving
        && (least == nullptr || worker.in_flight < least->in_flight))
      least = &worker;
  }
  auto refuse = [&](std::string why) {
    around_.watch.app_request_ended(info.tenant, "refused", microseconds{0});
    return error{errc::unavailable, std::move(why)};
  };
  if (least == nullptr)
    return refuse(info.state == app_state::dead ? "the application has ended: " + info.trouble
                                                : "the application is being started");
  if (in_flight >= info.limits.concurrent)
    return refuse("the application works on " + std::to_string(in_flight)
                  + " requests, which is as many as it may at once (concurrent_requests)");
  ++least->in_flight;
  ++least->requests;
  ++info.requests;
  auto session = least->session; // Another one may come beside it now.
  recycle(app);
  std::string request{what.method};
  request += ' ';
  request += what.root_path;
  request += what.raw_path;
  if (request.size() > most_request_text)
    request.resize(most_request_text);
  what.app = app.number;
  const auto traceparent = traceparent_of(trace.self);
  mark_headers(what, request_id, traceparent);
  submission order;
  order.session = session;
  bridge::append_app_request(order.operands, what);
  order.timeout = info.limits.request_timeout;
  order.idle_timeout = info.limits.idle_timeout;
  if (what.kind == bridge::app_request::protocol::websocket)
    order.socket_timeout = around_.config.max_timeout;
  order.request_id = request_id;
  order.trace = trace;
  auto submit = [this, id, tenant = info.tenant, session, request](submission&& order,
                                                                   const reply<execution_ptr>& to) {
    auto placed = [this, id, tenant, session, request, to](result<execution_ptr> made) {
      if (!made) {
        if (auto app = apps_.find(id); app != apps_.end())
          let_go(app->second, session);
        to.refuse(std::move(made).why());
        return;
      }
      auto& execution = **made;
      if (execution.end()) {
        on_ended(id, session, request, execution);
      } else if (auto app = apps_.find(id); app == apps_.end()) {
        around_.cancel(tenant, execution.id()); // It was closed meanwhile.
      } else {
        app->second->running.insert(execution.id());
        execution.at_end([this, id, session, request, what = execution.weak_from_this()] {
          if (auto ended = what.lock())
            on_ended(id, session, request, *ended);
        });
      }
      to.give(*std::move(made));
    };
    around_.submit(tenant, std::move(order), reply<execution_ptr>{std::move(placed)});
  };
  auto made = std::make_shared<app_exchange>(
      app_exchange::ports{
          .submit = std::move(submit),
          .pull =
              [this, tenant = info.tenant](const execution_ptr& one, std::uint64_t credit) {
                around_.pull(tenant, one, credit);
              },
          .feed =
              [this, tenant = info.tenant](const execution_ptr& one, app_feed more) {
                around_.feed(tenant, one, std::move(more));
              },
          .malformed = [this, id,
                        request](const execution_ptr& one,
                                 const std::string& why) { on_malformed(id, request, one, why); },
      },
      std::move(on_change));
  made->begin(std::move(order));
  return made;
}

void app_registry::on_ended(const std::string& id, const std::string& session,
                            const std::string& request, const execution& what) {
  auto found = apps_.find(id);
  if (found == apps_.end())
    return;
  auto& app = *found->second;
  app.running.erase(what.id());
  let_go(found->second, session);
  if (what.malformed)
    return; // That has been told.
  auto outcome = outcome_of(what);
  around_.watch.app_request_ended(app.info.tenant, outcome, what.end()->usage.wall);
  if (outcome == "ok" || outcome == "left")
    return;
  note_failure(app, {what.id(), request, std::chrono::system_clock::now(), what.end()->content},
               what.request().request_id);
}

// That session has a request less.
void app_registry::let_go(const std::shared_ptr<entry>& app, const std::string& session) {
  for (auto& worker : app->info.workers)
    if (worker.session == session && worker.in_flight > 0)
      --worker.in_flight;
  end_leaving(app);
  end_if_drained(app);
}

void app_registry::on_malformed(const std::string& id, const std::string& request,
                                const execution_ptr& what, const std::string& why) {
  auto found = apps_.find(id);
  if (found == apps_.end())
    return;
  auto& app = *found->second;
  around_.watch.app_request_ended(app.info.tenant, "malformed", microseconds{0});
  note_failure(app,
               {what->id(), request, std::chrono::system_clock::now(),
                make_error(error_kind::value, why, "malformed_response")},
               what->request().request_id);
}

void app_registry::note_failure(entry& app, app_failure what, const std::string& request_id) {
  ++app.info.failures;
  // The text of it is the tenant's; whoever may read it asks for the application.
  spdlog::warn("application {} of tenant {} failed to answer: {} (execution {}, request {})",
               app.info.id, app.info.tenant, name_of(kind_of_error(what.error)), what.execution,
               request_id);
  app.info.recent.push_back(std::move(what));
  if (app.info.recent.size() > most_recent)
    app.info.recent.pop_front();
}

void app_registry::on_session_ended(const session_info& info) {
  auto [from, to] = sessions_.equal_range(info.id);
  std::vector<std::string> ids;
  for (auto it = from; it != to; ++it)
    ids.push_back(it->second);
  sessions_.erase(from, to);
  for (const auto& id : ids) {
    auto found = apps_.find(id);
    if (found == apps_.end())
      continue;
    auto app = found->second;
    bool was_ready =
        std::any_of(app->info.workers.begin(), app->info.workers.end(),
                    [&](const auto& worker) { return worker.session == info.id && worker.ready; });
    std::erase_if(app->info.workers, [&](const auto& w) { return w.session == info.id; });
    if (was_ready || app->first_boot) { // Of others it is told why they did not start.
      app->info.trouble = "a session of it has ended";
      if (info.cause)
        app->info.trouble += ": " + vivarium::describe(*info.cause);
    }
    if (app->closing)
      continue;
    if (!app->first_boot)
      replace_worker(*app);
    else if (was_ready) // What is being booted there fails by itself.
      boot_failed(id, info.id, error{errc::session_lost, app->info.trouble});
  }
}

void app_registry::forget(const entry& app) {
  names_.erase({app.info.tenant, app.info.name});
  hosts_.erase(app.info.host);
  std::erase_if(sessions_, [&](const auto& one) { return one.second == app.info.id; });
  apps_.erase(app.info.id);
}

} // namespace vivarium
