// SPDX-License-Identifier: Apache-2.0
#include "daemon/admin_desk.hpp"

#include "actors/administration.hpp"
#include "daemon/version.hpp"

#include <unistd.h>

namespace vivarium {

void admin_desk::refused(const admin_asker& who, std::string_view method) {
  book_.audit(audit_event::admin_refused, {who.tenant, {}, who.request_id},
              {{"method", method}, {"key", who.key}});
}

void admin_desk::acted(const admin_asker& who, const action& what, const error* why) {
  std::string_view outcome = why != nullptr ? name_of(why->code) : "ok";
  book_.audit(audit_event::admin_action, {who.tenant, {}, who.request_id},
              {{"action", what.name},
               {"of_tenant", what.tenant},
               {"subject", what.subject},
               {"outcome", outcome},
               {"key", who.key}});
  journal_.info("an administrator acted", {{"action", what.name},
                                           {"of_tenant", what.tenant},
                                           {"subject", what.subject},
                                           {"outcome", outcome},
                                           {"tenant", who.tenant},
                                           {"key", who.key},
                                           {"request_id", who.request_id}});
}

daemon_status admin_desk::status() const {
  daemon_status out;
  out.version = version;
  out.started = started_;
  out.drained = core_.admin().drained();
  out.stopping = stopping_;
  out.ready = core_.ready() && !out.drained && !stopping_;
  out.trouble = core_.trouble();
  out.level = journal_.level();
  out.figures = core_.admin().figures();
  out.pid = ::getpid();
  return out;
}

void admin_desk::drain(bool whether) {
  core_.admin().drain(whether);
}

std::string admin_desk::metrics_text() const {
  return std::string{"# HELP vivarium_drained Whether an administrator has the daemon take no new "
                     "sessions.\n# TYPE vivarium_drained gauge\nvivarium_drained "}
         + (core_.drained() ? "1\n" : "0\n");
}

log_level admin_desk::set_level(log_level to) {
  auto before = journal_.level();
  journal_.set_level(to);
  return before;
}

} // namespace vivarium
