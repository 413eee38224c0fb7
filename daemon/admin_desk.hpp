// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/admin_types.hpp"
#include "daemon/environment_desk.hpp"
#include "daemon/reload.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

namespace vivarium {

/// Who asks for something that only administrators may.
struct admin_asker {
  std::string tenant;
  std::string key; ///< Id of the key; empty where none was needed.
  std::string request_id;
};

/// What AdminService does, beyond what the actors know; and whatever an administrator does goes
/// through here to the audit log and to the daemon's. Reactor thread.
class admin_desk {
public:
  admin_desk(service& core, environment_desk& environments, log& journal, auditor& book,
             const use_ledger& uses)
      : core_{core}, environments_{environments}, journal_{journal}, book_{book}, uses_{uses} {}
  admin_desk(const admin_desk&) = delete;
  admin_desk& operator=(const admin_desk&) = delete;

  /// An action, as it is told: to what, of which tenant.
  struct action {
    std::string_view name;
    std::string tenant = {};
    std::string subject = {};
  };

  /// Somebody asked who is no administrator.
  void refused(const admin_asker& who, std::string_view method);
  /// An action is over; `why` is null when it succeeded.
  void acted(const admin_asker& who, const action& what, const error* why);

  /// The daemon is about to end.
  void stopping() noexcept { stopping_ = true; }
  [[nodiscard]] daemon_status status() const;
  void drain(bool whether);
  /// Its part of /metrics, in the text format 0.0.4.
  [[nodiscard]] std::string metrics_text() const;
  /// Who reads the configuration again.
  void reload_by(reload_function how) { reload_ = std::move(how); }
  [[nodiscard]] result<reload_report> reload() const { return reload_(); }
  /// Returns the level before.
  log_level set_level(log_level to);

  [[nodiscard]] tenant_use use_of(const std::string& tenant) const { return uses_.of(tenant); }
  [[nodiscard]] overview_page<std::pair<std::string, environment_info>>
  environments(const overview_part& what) const {
    return environments_.list_all(what);
  }

private:
  service& core_;
  environment_desk& environments_;
  log& journal_;
  auditor& book_;
  const use_ledger& uses_;
  std::chrono::system_clock::time_point started_ = std::chrono::system_clock::now();
  bool stopping_ = false;
  reload_function reload_;
};

} // namespace vivarium
