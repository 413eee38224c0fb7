// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/http_gate.hpp"
#include "daemon/http_relay.hpp"
#include "daemon/tls_authority.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <map>
#include <memory>

namespace vivarium {

/// Where sessions with HTTP rules are connected to in the place of servers. It listens on loopback
/// from the first such session on; who is not expected there is hung up on. Must outlive the
/// service, and the reactor's handlers it.
class http_broker final : public http_gate {
public:
  explicit http_broker(boost::asio::io_context& reactor);
  http_broker(const http_broker&) = delete;
  http_broker& operator=(const http_broker&) = delete;
  ~http_broker() override;

  result<sandbox::endpoint> address() override;
  void expect(std::uint16_t from_port, http_visit what) override;
  result<std::string> authority_certificate() override;

private:
  result<tls_authority*> authority();
  void accept();
  void serve(boost::asio::ip::tcp::socket one);
  boost::asio::awaitable<void> welcome(std::shared_ptr<relay_stream> guest, http_visit visit);

  boost::asio::io_context& reactor_;
  boost::asio::ip::tcp::acceptor listener_;
  struct expected_visit {
    http_visit what;
    std::chrono::steady_clock::time_point until; // A port is somebody else's later.
  };
  std::map<std::uint16_t, expected_visit> expected_; // By port, until they are accepted.
  boost::asio::steady_timer pause_;                  // After an accept that failed.
  std::unique_ptr<tls_authority> authority_;
  server_trust trust_;
};

} // namespace vivarium
