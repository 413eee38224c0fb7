// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/aside.hpp"
#include "actors/http_gate.hpp"
#include "daemon/relay_stream.hpp"

#include <boost/asio/awaitable.hpp>

#include <map>
#include <memory>
#include <string>

namespace vivarium {

/// Where relays find the certificates to check servers with.
class server_trust {
public:
  /// The system's certificates and those of `ca`; null when it holds none. Read beside the reactor,
  /// the first time.
  boost::asio::awaitable<std::shared_ptr<boost::asio::ssl::context>> with(std::string ca);

private:
  aside beside_;
  std::map<std::string, std::shared_ptr<boost::asio::ssl::context>> known_;
};

/// Speaks HTTP/1.1 with a session in the place of a server: what its rules allow goes on to the
/// server, with the headers that the rules add, everything else is answered here. Both sides are
/// parsed strictly and written anew, so that what was decided on is what is sent. Bodies go through
/// in pieces, as fast as the slower side takes them. Ends with the connection.
boost::asio::awaitable<void> relay_http(std::shared_ptr<relay_stream> guest, http_visit visit,
                                        server_trust& trust);

} // namespace vivarium
