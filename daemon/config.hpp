// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/settings.hpp"
#include "daemon/auth_settings.hpp"
#include "daemon/config_values.hpp"
#include "daemon/endpoint.hpp"
#include "daemon/environment_types.hpp"
#include "daemon/log.hpp"
#include "daemon/tracing_settings.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace vivarium {

/// Everything that the configuration file says. Default-constructed it is what holds without one.
struct config {
  config();

  std::string file; ///< Where it is from; empty: there is none.

  std::vector<std::string> listen; ///< Empty: the defaults.
  unsigned socket_mode = 0600;
  std::vector<std::string> hosts;
  std::vector<std::string> origins;
  network_limits network;
  std::chrono::milliseconds drain_timeout{30'000};
  tls_settings tls;
  auth_settings auth;
  std::vector<std::string> allow_degraded; ///< Names of layers.
  settings core;
  build_settings builds;
  log_level level = log_level::info;
  log_format format = log_format::json;
  bool code_records = false; ///< Whether what code logs goes to the log, too.
  std::string audit_file;    ///< Absolute path, "stderr", or empty for none.
  bool metrics = true;       ///< Whether /metrics is served.
  tracing_settings tracing;
  config_values values; ///< The same as text, of the keys that are in the file.
};

/// What is wrong with a configuration: one line each, with file, line and path of the key.
struct config_problems {
  std::vector<std::string> lines;
};

/// Of which keys `config::values` tells: of those that the file has, or of all that can be there.
enum class config_scope : std::uint8_t { present, all };

/// Reads TOML text into `into`. `name` stands for the file in problems. All problems are found, not
/// only the first.
[[nodiscard]] config_problems parse_config(config& into, std::string_view text,
                                           std::string_view name,
                                           config_scope scope = config_scope::present);
/// What is not wrong with a configuration and yet cannot be meant, for `--check`.
[[nodiscard]] std::vector<std::string> warnings(const config& of);

/// Reads a file.
[[nodiscard]] config_problems load_config(config& into, const std::string& path);

/// Environments that exist without any configuration.
[[nodiscard]] std::map<std::string, environment_settings> default_environments();

} // namespace vivarium
