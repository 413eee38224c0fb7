// SPDX-License-Identifier: Apache-2.0
// What an application does when its configuration has changed.
#include "daemon/application.hpp"

#include <algorithm>

namespace vivarium {

namespace {

constexpr std::size_t most_lines = 100;

/// The place of the key that the text begins with, before it.
std::string with_place(const config& in, const std::string& text) {
  auto found = in.values.find(text.substr(0, text.find(':')));
  auto line = found == in.values.end() ? "" : ":" + std::to_string(found->second.line);
  return in.file + line + ": " + text;
}

} // namespace

result<reload_report> application::reload() {
  book_.reopen();
  auto done = take_over();
  meters_.audit(audit_event::config_reloaded, {}, {{"outcome", done ? "ok" : "refused"}});
  if (!done) {
    upkeep_.reload_refused();
    journal_.error("the configuration was not reloaded, what was in force still is",
                   {{"detail", done.why().detail}});
    return done;
  }
  std::size_t lines = 0;
  std::int64_t waiting = 0;
  for (const auto& one : done->changes) {
    waiting += one.effect == config_effect::restart ? 1 : 0;
    if (lines++ < most_lines)
      journal_.info("a key of the configuration has changed", {{"key", one.key},
                                                               {"before", one.before},
                                                               {"after", one.after},
                                                               {"effect", name_of(one.effect)}});
  }
  upkeep_.reloaded(static_cast<std::size_t>(waiting));
  journal_.info(
      "the configuration was reloaded",
      {{"changed", static_cast<std::int64_t>(done->changes.size())}, {"need_restart", waiting}});
  return done;
}

// Tenants change at once and most of what they name with the next start. One that would name what
// is not there until then would be without what it has now.
status application::check_names(const config& fresh) const {
  const auto& now = config_.core;
  for (const auto& [name, tenant] : fresh.core.tenants) {
    for (const auto& [function, pool] : tenant.routes)
      if (!now.session_pools.contains(pool))
        return error{errc::invalid_argument,
                     with_place(fresh, "tenants." + name + ".routes." + function + ": the pool '"
                                           + pool + "' is there after a restart only")};
    if (tenant.environments)
      for (const auto& one : *tenant.environments)
        if (fresh.core.environments.contains(one) && !now.environments.contains(one))
          return error{errc::invalid_argument,
                       with_place(fresh, "tenants." + name + ".environments: '" + one
                                             + "' is there after a restart only")};
  }
  return done{};
}

result<reload_report> application::take_over() {
  auto fresh = load(options_);
  if (!fresh)
    return fresh.why();
  auto report = compare(config_.values, fresh->values);
  // Tenants mean something else where nobody is asked who they are: that takes both, or neither.
  bool same_doors = fresh->auth.asked() == config_.auth.asked();
  bool has_tls = certificates_ && !fresh->tls.certificate.empty();
  for (auto& one : report.changes)
    if ((!same_doors && one.key.starts_with("tenants."))
        || (!has_tls && one.key.starts_with("tls.")))
      one.effect = config_effect::restart;
  if (same_doors)
    if (auto ok = check_names(*fresh); !ok)
      return std::move(ok).why();
  if (has_tls) {
    // Nothing can fail after this.
    if (auto ok = certificates_->replace(fresh->tls); !ok)
      return error{errc::invalid_argument, with_place(*fresh, ok.why().detail)};
    config_.tls = fresh->tls;
  }
  auto changed = [&report](std::string_view key) {
    return std::any_of(report.changes.begin(), report.changes.end(),
                       [key](const config_change& one) { return one.key == key; });
  };
  // Who has set another level since does not lose it to a change of something else.
  if (changed("log.level"))
    journal_.set_level(fresh->level);
  config_.drain_timeout = fresh->drain_timeout;
  if (!same_doors)
    fresh->core.tenants = config_.core.tenants;
  config_.core.tenants = fresh->core.tenants;
  core_->retune(std::move(fresh->core));
  server_->answer_to(access_rules{fresh->hosts, fresh->origins, config_.auth.asked()});
  server_->show_metrics(fresh->metrics);
  server_->recheck();
  for (const auto& one : report.changes) {
    if (one.effect == config_effect::restart)
      continue; // It is what holds that the next reload compares with.
    if (auto found = fresh->values.find(one.key); found != fresh->values.end())
      config_.values.insert_or_assign(one.key, std::move(found->second));
    else
      config_.values.erase(one.key);
  }
  return report;
}

} // namespace vivarium
