// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <variant>

namespace vivarium {

/// What is worth a line of the audit log. The names are stable: operators search for them.
enum class audit_event : std::uint8_t {
  key_used,        ///< A key, for the first time on a connection.
  key_refused,     ///< Credentials that are none.
  keys_changed,    ///< A key came, went or was changed.
  session_created, ///< A session was opened.
  session_closed,  ///< A session ended.
  call_denied,     ///< The sandbox refused a system call.
  quota_refused,   ///< A tenant met one of its quotas.
  egress_allowed,  ///< A connection out of a sandbox was made.
  egress_refused,  ///< A connection out of a sandbox was refused.
  config_reloaded, ///< The configuration was read again.
  admin_action,    ///< An administrator changed something, or tried to.
  admin_refused,   ///< Somebody asked for what only administrators may.
  circuit_opened,  ///< Sessions of a tenant's environment fail to start and are not tried now.
  circuit_closed,  ///< They start again.
};
inline constexpr std::size_t audit_event_count = 14;

/// Returns the stable name of an event, e.g. "session_created".
[[nodiscard]] std::string_view name_of(audit_event what) noexcept;

/// Whom an event concerns; empty what is not known.
struct audit_subject {
  std::string_view tenant;
  std::string_view session = {};
  std::string_view request_id = {};
};

/// One more thing to say about an event. The name is ours; the value may be a tenant's: whoever
/// writes it escapes it.
struct audit_field {
  std::string_view name;
  std::variant<std::string_view, std::int64_t> value;
};
using audit_fields = std::initializer_list<audit_field>;

/// Who keeps the audit log. Called on the reactor thread: must be quick, must not block and must
/// not throw. Events that a tenant can cause at will are kept at a bounded rate; whoever reports
/// them need not count.
class auditor {
public:
  virtual ~auditor() = default;
  virtual void audit(audit_event what, const audit_subject& who, audit_fields with) = 0;
};

} // namespace vivarium
