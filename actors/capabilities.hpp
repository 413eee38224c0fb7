// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/http_rules.hpp"
#include "proto/result.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

// What a session's code may be given beside its own memory and files, as values. Whoever makes a
// session has checked them; the daemon's own part answers the calls, never the worker's.

namespace vivarium {

struct settings;

/// Bounds of what one session may ask of a database.
struct sql_bounds {
  std::size_t connections = 4; ///< At once, of a tenant's sessions to that database.
  std::size_t waiting = 100;   ///< Calls that wait for a connection.
  std::chrono::milliseconds statement_timeout{30'000};
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds idle_timeout{60'000};
  std::uint64_t rows = 10'000;
  std::uint64_t bytes = 8u << 20; ///< Of a result, as the server sends it.
};

/// A database of the configuration.
struct database_settings {
  std::string url; ///< With credentials: never told to anybody.
  std::string ca;  ///< PEM text that its certificate is checked with; empty: the system's.
  sql_bounds bounds;
  bool read_only = false;
};

/// Bounds of the key-value store.
struct store_settings {
  bool enabled = true;
  std::string path;                       ///< Of its file; empty: none can be had.
  std::uint64_t file_bytes = 16ull << 30; ///< Of all tenants together.
  std::uint64_t tenant_bytes = 64u << 20; ///< Keys and values of one tenant.
  std::uint64_t tenant_keys = 100'000;
  std::uint64_t value_bytes = 1u << 20;
};

struct sql_grant {
  std::string database;
  std::string url;
  bool read_only = false;
};

/// A part of the store. Where it does not reach, keys look missing and cannot be written.
struct store_grant {
  enum right : std::uint8_t { get = 1, put = 2, remove = 4, list = 8, all = 15 };
  std::string prefix;
  std::vector<std::string> keys; ///< Sorted; empty: all.
  std::uint8_t rights = all;

  [[nodiscard]] bool covers(std::string_view key) const noexcept;
  [[nodiscard]] bool may(right what) const noexcept { return (rights & what) != 0; }
};

struct aws_grant {
  std::string endpoint;
  std::string region;
  std::string key_id;
  std::string secret;
  std::string token;
};

/// What a client asks for its session.
struct capability_request {
  std::optional<sql_grant> sql;
  std::optional<store_grant> store;
  std::optional<aws_grant> aws;
  std::vector<http_rule> http_rules;
};

/// Decides whether a tenant's session, which has that egress policy, may have what is asked for.
/// The error names the option.
[[nodiscard]] status may_have(const settings& config, const std::string& tenant,
                              const std::string& egress, const capability_request& what);

} // namespace vivarium
