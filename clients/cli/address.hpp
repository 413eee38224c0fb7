// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"

#include <string>
#include <string_view>

namespace vivarium::cli {

/// Where a daemon listens.
struct address {
  enum class scheme { http, https, unix_socket };
  scheme kind = scheme::http;
  std::string host; ///< Name or IP address, without the brackets of IPv6; empty for a Unix socket.
  std::string port; ///< Decimal; empty for a Unix socket.
  std::string path; ///< Of a Unix socket.

  /// Returns the value of the Host header.
  [[nodiscard]] std::string authority() const;
};

/// Reads `http://host[:port]`, `https://host[:port]` or `unix:///path`.
[[nodiscard]] result<address> parse_address(std::string_view url);

/// Chooses the daemon: `flag`, else VIVARIUM_URL, else the default socket when one is there that
/// nobody but root or the caller can have made, else 127.0.0.1:7717.
[[nodiscard]] result<address> choose_address(const std::string& flag);

} // namespace vivarium::cli
