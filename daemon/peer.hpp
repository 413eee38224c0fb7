// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace vivarium {

/// What a client's certificate says, once its chain has been verified.
struct peer_certificate {
  std::string subject;            ///< As in RFC 2253: "CN=web,O=Example".
  std::vector<std::string> names; ///< "dns:…", "uri:…", "email:…", "ip:…"
};

/// What a transport knows of the other side.
struct peer {
  bool local = false;  ///< It came through loopback or a Unix socket.
  bool secure = false; ///< It came by TLS.
  std::string address; ///< Of IP; empty for a Unix socket.
  std::uint16_t port = 0;
  std::optional<peer_certificate> certificate;
};

} // namespace vivarium
