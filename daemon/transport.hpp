// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/peer.hpp"
#include "proto/result.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/system/error_code.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace vivarium {

using stream_socket = boost::asio::generic::stream_protocol::socket;
using boost::system::error_code;

/// What TLS needs.
struct tls_settings {
  std::string certificate; ///< PEM files.
  std::string key;
  std::string client_ca;        ///< Whoever has a certificate of it may show it; empty: nobody.
  bool client_required = false; ///< Whether nobody without one gets through the handshake.
};

/// Who is told when an operation of a transport is over.
class transport_user {
public:
  virtual ~transport_user() = default;
  virtual void on_started(error_code why) = 0;
  virtual void on_read(error_code why, std::size_t n) = 0;
  virtual void on_written(error_code why, std::size_t n) = 0;
};

/// A connected byte stream: TCP, Unix or TLS. At most one read and one write are pending at a time;
/// the user is kept alive until they are over. Everything happens on the reactor thread.
class transport {
public:
  virtual ~transport() = default;
  /// Does what has to come before the first byte: the TLS handshake.
  virtual void start(std::shared_ptr<transport_user> user) = 0;
  virtual void read(boost::asio::mutable_buffer into, std::shared_ptr<transport_user> user) = 0;
  /// Writes at once what the kernel takes; 0 and no error when it takes nothing now.
  virtual std::size_t try_write(std::span<const boost::asio::const_buffer> from,
                                error_code& why) = 0;
  /// Writes some; the buffers must stay until `on_written`.
  virtual void write(std::span<const boost::asio::const_buffer> from,
                     std::shared_ptr<transport_user> user) = 0;
  /// Returns who is on the other side; complete once it has started.
  [[nodiscard]] virtual const peer& other_side() const noexcept = 0;
  /// Tells the peer that nothing more will come; reading goes on.
  virtual void finish() = 0;
  /// Ends both directions; pending operations fail.
  virtual void close() = 0;
};

[[nodiscard]] std::unique_ptr<transport> make_plain_transport(stream_socket socket);
[[nodiscard]] std::unique_ptr<transport> make_tls_transport(stream_socket socket,
                                                            boost::asio::ssl::context& tls);

/// Loads certificates and key. TLS 1.2 and later.
[[nodiscard]] result<std::shared_ptr<boost::asio::ssl::context>> load_tls(const tls_settings& with);

} // namespace vivarium
