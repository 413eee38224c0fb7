// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/config.hpp"
#include "proto/result.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace vivarium {

/// What a reload did to one key of the configuration.
struct config_change {
  std::string key;    ///< Its path, e.g. "tenants.shop.sessions".
  std::string before; ///< As TOML would say it; what is secret is hidden, what is long is cut.
  std::string after;
  config_effect effect = config_effect::restart;
};

/// What a reload found. A change that needs a restart is not in force, and every reload reports it
/// again until it is taken back or the daemon was restarted.
struct reload_report {
  std::vector<config_change> changes; ///< In the order of their keys.
};

/// Reads the configuration again and puts in force what can be. Refuses with `invalid_argument`,
/// one problem a line, each with file, line, key and reason; then all that was in force before
/// still is. Reactor thread.
using reload_function = std::function<result<reload_report>()>;

/// Returns how the values of two configurations differ.
[[nodiscard]] reload_report compare(const config_values& before, const config_values& after);

} // namespace vivarium
