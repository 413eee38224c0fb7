// SPDX-License-Identifier: Apache-2.0

// Sessions of applications that are replaced because of their age or their work: another one is
// booted while they go on, then they get no more requests, and end after their last.

#include "actors/app_registry.hpp"

#include <algorithm>

namespace vivarium {

namespace {

// One whose successor does not boot is not tried again with the next request.
constexpr auto recycle_pause = std::chrono::seconds{5};
constexpr unsigned most_doublings = 6; // of it, while none boots

} // namespace

bool app_registry::is_due(const app_worker& worker, clock_type::time_point now) const {
  const auto& config = around_.config;
  if (!worker.ready || worker.leaving)
    return false;
  return (config.app_worker_max_requests > 0 && worker.requests >= config.app_worker_max_requests)
         || (config.app_worker_max_age.count() > 0
             && now - worker.since >= config.app_worker_max_age);
}

// One at a time: while one boots, or one that leaves has something to finish, the others go on.
void app_registry::recycle(entry& app) {
  auto now = clock_type::now();
  bool may = app.owns() && !draining_ && !app.closing && !app.first_boot && app.making == 0
             && app.info.workers.size() <= app.plan.workers && now >= app.recycle_after;
  if (!may
      || std::none_of(app.info.workers.begin(), app.info.workers.end(),
                      [&](const auto& worker) { return is_due(worker, now); }))
    return;
  app.recycle_after = now + recycle_pause;
  boot_worker(app.info.id);
}

// The old ones serve on meanwhile: no haste is worth a session that fails every few seconds.
void app_registry::put_off_recycling(entry& app, const error& why) {
  auto pause = recycle_pause * (1u << std::min(app.failed_boots++, most_doublings));
  app.recycle_after =
      clock_type::now() + std::max<std::chrono::milliseconds>(pause, why.quota.retry_after);
}

void app_registry::dismiss_old(const std::shared_ptr<entry>& app) {
  auto& workers = app->info.workers;
  auto serving = static_cast<std::size_t>(
      std::count_if(workers.begin(), workers.end(),
                    [](const auto& worker) { return worker.ready && !worker.leaving; }));
  auto now = clock_type::now();
  auto old = std::find_if(workers.begin(), workers.end(),
                          [&](const auto& worker) { return is_due(worker, now); });
  if (serving <= app->plan.workers || old == workers.end())
    return;
  old->leaving = true;
  app->recycle_after = {};
  const auto& config = around_.config;
  bool counted =
      config.app_worker_max_requests > 0 && old->requests >= config.app_worker_max_requests;
  around_.watch.recycled(app->info.tenant, {}, "app", counted ? "count" : "age");
  end_leaving(app);
}

void app_registry::end_leaving(const std::shared_ptr<entry>& app) {
  auto& workers = app->info.workers;
  auto through = std::find_if(workers.begin(), workers.end(), [](const auto& worker) {
    return worker.leaving && worker.in_flight == 0;
  });
  if (through == workers.end() || app->closing)
    return;
  auto session = through->session;
  workers.erase(through);
  // Its end is nothing to be mended.
  std::erase_if(sessions_, [&](const auto& one) {
    return one.first == session && one.second == app->info.id;
  });
  close_in(session, app, [] {});
}

} // namespace vivarium
