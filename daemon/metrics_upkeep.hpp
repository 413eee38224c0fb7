// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace vivarium {

/// The part of /metrics that is about the daemon's own upkeep: its configuration, its certificates,
/// the clock. Reactor thread.
class upkeep_metrics {
public:
  upkeep_metrics();
  ~upkeep_metrics();
  upkeep_metrics(const upkeep_metrics&) = delete;
  upkeep_metrics& operator=(const upkeep_metrics&) = delete;

  /// `waiting`: changed keys that take a restart.
  void reloaded(std::size_t waiting);
  void reload_refused();
  void certificates_loaded(bool could);
  void certificate_expires(std::string_view which, std::chrono::sys_seconds when);
  void forget_certificates();
  /// The wall clock was set by so much.
  void clock_jumped(std::chrono::seconds by);

  /// Returns the text format 0.0.4.
  [[nodiscard]] std::string text() const;

private:
  struct families;
  std::unique_ptr<families> families_;
};

} // namespace vivarium
