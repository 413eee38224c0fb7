// SPDX-License-Identifier: Apache-2.0
#include "actors/audit.hpp"

namespace vivarium {

std::string_view name_of(audit_event what) noexcept {
  switch (what) {
    case audit_event::key_used: return "key_used";
    case audit_event::key_refused: return "key_refused";
    case audit_event::keys_changed: return "keys_changed";
    case audit_event::session_created: return "session_created";
    case audit_event::session_closed: return "session_closed";
    case audit_event::call_denied: return "call_denied";
    case audit_event::quota_refused: return "quota_refused";
    case audit_event::egress_allowed: return "egress_allowed";
    case audit_event::egress_refused: return "egress_refused";
    case audit_event::config_reloaded: return "config_reloaded";
    case audit_event::admin_action: return "admin_action";
    case audit_event::admin_refused: return "admin_refused";
    case audit_event::circuit_opened: return "circuit_opened";
    case audit_event::circuit_closed: return "circuit_closed";
  }
  return "unknown";
}

} // namespace vivarium
