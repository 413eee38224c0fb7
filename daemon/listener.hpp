// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/address.hpp"
#include "daemon/transport.hpp"
#include "proto/unique_fd.hpp"

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <memory>
#include <string>

namespace vivarium {

/// Accepts connections at one address. Removes its Unix socket in its destructor.
class listener {
public:
  using accepted = std::function<void(std::unique_ptr<transport>)>;
  /// Told when none could be accepted, most likely for want of descriptors. Another attempt follows
  /// after a pause; those who wait stay in the kernel's queue.
  using failed = std::function<void(error_code)>;

  /// Binds and listens. Replaces the Unix socket of a daemon that is dead; refuses with
  /// `already_exists` when the address is in use.
  [[nodiscard]] static result<std::unique_ptr<listener>>
  open(boost::asio::io_context& reactor, const listen_address& where, unsigned socket_mode,
       std::shared_ptr<boost::asio::ssl::context> tls);

  listener(const listener&) = delete;
  listener& operator=(const listener&) = delete;
  ~listener();

  /// Begins to accept; `each` gets every connection.
  void start(accepted each, failed none);
  /// Connections that are accepted from now on have these certificates; those that are there keep
  /// theirs. Nothing to a listener without TLS.
  void serve_with(std::shared_ptr<boost::asio::ssl::context> tls) {
    if (tls_)
      tls_ = std::move(tls);
  }
  void stop();

  /// The address with the port that was really bound.
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  /// The address that was bound; empty for a Unix socket.
  [[nodiscard]] std::string host() const {
    return where_.what == listen_address::kind::local ? "" : where_.tcp.address().to_string();
  }
  /// The TCP port; 0 for a Unix socket.
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

private:
  using acceptor = boost::asio::basic_socket_acceptor<boost::asio::generic::stream_protocol>;

  listener(boost::asio::io_context& reactor, listen_address where,
           std::shared_ptr<boost::asio::ssl::context> tls);
  status take_over(int family, unique_fd socket);
  status bind_tcp();
  status bind_local(unsigned mode);
  void accept();

  listen_address where_;
  std::shared_ptr<boost::asio::ssl::context> tls_;
  acceptor acceptor_;
  boost::asio::steady_timer pause_;
  accepted each_;
  failed none_;
  std::string name_;
  std::uint16_t port_ = 0;
  bool owns_path_ = false;
};

} // namespace vivarium
