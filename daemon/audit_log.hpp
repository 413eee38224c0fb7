// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/audit.hpp"
#include "actors/rate_gate.hpp"
#include "daemon/line_writer.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

namespace vivarium {

/// The audit log: one JSON object per line, `ts`, `event`, whom it concerns, and what else is
/// known. Values are escaped and cut at `max_text`. What a tenant can cause at will is kept at a
/// bounded rate per tenant; the next line of that kind says how many were left out. Reactor thread.
class audit_log final : public auditor {
public:
  static constexpr std::size_t max_text = 256;

  /// Says where to write; until then nothing is kept.
  void write_to(std::unique_ptr<line_writer> to) { to_ = std::move(to); }

  void audit(audit_event what, const audit_subject& who, audit_fields with) override;
  /// For logrotate.
  void reopen() {
    if (to_)
      to_->reopen();
  }

  /// Events that were left out: over the rate of their kind, and for want of room or disk.
  [[nodiscard]] std::uint64_t over_rate() const noexcept { return over_rate_; }
  [[nodiscard]] std::uint64_t lost() const { return lost_ + (to_ ? to_->failed() : 0); }

private:
  struct spigot {
    rate_gate gate;
    std::uint64_t left_out = 0;
  };
  /// Null for what is not bounded.
  spigot* spigot_of(audit_event what, std::string_view tenant);

  std::unique_ptr<line_writer> to_;
  // Tenants are those of the configuration, and one without a name: this does not grow.
  std::map<std::pair<audit_event, std::string>, spigot, std::less<>> spigots_;
  std::uint64_t over_rate_ = 0;
  std::uint64_t lost_ = 0;
  std::uint64_t untold_ = 0; // lost since the last line
};

/// Renders a line, for `audit_log` and its tests.
[[nodiscard]] std::string render_audit(std::string_view timestamp, audit_event what,
                                       const audit_subject& who, audit_fields with,
                                       std::uint64_t left_out, std::uint64_t lost);

} // namespace vivarium
