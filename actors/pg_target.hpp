// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace vivarium {

/// How TLS is used, as libpq's sslmode has it.
enum class pg_tls : std::uint8_t { disable, prefer, require, verify_full };

/// A database, as a URL names it.
struct pg_target {
  std::string host; ///< A name in its canonical form, an address, or the folder of a Unix socket.
  std::uint16_t port = 5432;
  std::string user;
  std::string password;
  std::string database;
  pg_tls tls = pg_tls::prefer;

  [[nodiscard]] bool is_local() const noexcept { return host.starts_with('/'); }
  bool operator==(const pg_target&) const = default;
};

/// Whose URL it is: only the operator's may name a socket of this machine.
enum class pg_url_from : std::uint8_t { client, operator_ };

/// Reads postgresql://user:password@host:port/database?sslmode=... The error never holds any of it.
[[nodiscard]] result<pg_target> parse_pg_url(std::string_view url, pg_url_from whose);

} // namespace vivarium
