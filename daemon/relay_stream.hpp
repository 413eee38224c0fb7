// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/execution.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

namespace vivarium {

/// One side of a relay: TCP, or TLS over it. Each operation has a deadline, after which the stream
/// is closed. Reactor thread.
class relay_stream {
public:
  explicit relay_stream(boost::asio::ip::tcp::socket socket) : socket_{std::move(socket)} {}
  relay_stream(const relay_stream&) = delete;
  relay_stream& operator=(const relay_stream&) = delete;

  /// Becomes TLS as a server. False: it did not.
  boost::asio::awaitable<bool> accept_tls(std::shared_ptr<boost::asio::ssl::context> with,
                                          std::chrono::milliseconds within);
  /// Becomes TLS as a client of that host, whose certificate is checked. The text says why not;
  /// empty when it did.
  boost::asio::awaitable<std::string> connect_tls(std::shared_ptr<boost::asio::ssl::context> with,
                                                  std::string host,
                                                  std::chrono::milliseconds within);
  /// Reads something into `into`, behind what it holds; false at the end or on failure.
  boost::asio::awaitable<bool> read(std::string& into, std::chrono::milliseconds within) {
    return read(into, clock_type::now() + within);
  }
  boost::asio::awaitable<bool> read(std::string& into, clock_type::time_point until);
  boost::asio::awaitable<bool> write(std::string_view what, std::chrono::milliseconds within);
  /// Says that nothing more comes, reads what still comes for a while, and closes: a peer that was
  /// still sending would otherwise lose what it has not read yet.
  boost::asio::awaitable<void> finish();
  [[nodiscard]] bool is_open() const noexcept { return socket_.is_open(); }
  void close() noexcept;
  /// Whether it has ended while nobody asked, as far as can be seen.
  [[nodiscard]] bool stale() noexcept;

private:
  boost::asio::ip::tcp::socket socket_;
  std::shared_ptr<boost::asio::ssl::context> context_;
  std::unique_ptr<boost::asio::ssl::stream<boost::asio::ip::tcp::socket&>> tls_;
};

} // namespace vivarium
