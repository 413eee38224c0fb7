// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace vivarium {

/// Where to listen: `host:port`, `https://host:port` or `unix:///path`.
struct listen_address {
  enum class kind : std::uint8_t { tcp, tls, local };
  kind what = kind::tcp;
  boost::asio::ip::tcp::endpoint tcp;
  std::string path;
  std::string text; ///< As given.
};

/// Parses an address.
[[nodiscard]] result<listen_address> parse_address(std::string_view text);

/// Refuses, when nobody has to say who they are, an address that others than this machine's users
/// can reach: whoever reached it could run code.
[[nodiscard]] status check_reach(const listen_address& where, bool authenticated);

/// Where the daemon listens when it is not told: the loopback port and a Unix socket that suits the
/// user it runs as.
[[nodiscard]] std::string default_tcp_address();
[[nodiscard]] result<std::string> default_socket_address();

} // namespace vivarium
