// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace vivarium {
inline namespace client_v1 {
namespace detail {

/// Where a daemon listens.
struct address {
  enum class scheme { http, https, unix_socket };
  scheme kind = scheme::http;
  std::string host; ///< Name or IP address, without the brackets of IPv6; empty for a Unix socket.
  std::string port; ///< Decimal; empty for a Unix socket.
  std::string path; ///< Of a Unix socket.

  /// Returns the value of the Host header.
  [[nodiscard]] std::string authority() const;
  /// Returns what to call it in messages.
  [[nodiscard]] std::string name() const;
};

/// Reads `http://host[:port]`, `https://host[:port]` or `unix:///path`; throws
/// `invalid_argument_error`.
[[nodiscard]] address parse_address(std::string_view url);

/// Chooses the daemon; see `client::connect`.
[[nodiscard]] address choose_address(std::string_view url);

/// An environment variable; empty when it is not set.
[[nodiscard]] std::string variable_of_environment(const char* name);

} // namespace detail
} // namespace client_v1
} // namespace vivarium
