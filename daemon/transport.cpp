// SPDX-License-Identifier: Apache-2.0
#include "daemon/transport.hpp"

#include "daemon/tls_peer.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/ssl/stream.hpp>

#include <cstring>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <openssl/ssl.h>

namespace vivarium {

namespace asio = boost::asio;

namespace {

using buffers = std::span<const asio::const_buffer>;

/// Who is on the other side, and whether it cannot be another machine.
peer peer_of(const stream_socket& socket) {
  peer out;
  error_code why;
  auto from = socket.remote_endpoint(why);
  if (why)
    return out;
  const auto* address = from.data();
  char text[INET6_ADDRSTRLEN] = {};
  if (address->sa_family == AF_UNIX) {
    out.local = true;
  } else if (address->sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, address, sizeof(v4));
    out.local = (ntohl(v4.sin_addr.s_addr) >> 24) == 127;
    out.port = ntohs(v4.sin_port);
    out.address = ::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof(text));
  } else if (address->sa_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, address, sizeof(v6));
    out.local = IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
    out.port = ntohs(v6.sin6_port);
    out.address = ::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof(text));
  }
  return out;
}

class plain_transport final : public transport {
public:
  explicit plain_transport(stream_socket socket) : socket_{std::move(socket)} {
    error_code ignored;
    socket_.non_blocking(true, ignored);
    other_ = peer_of(socket_);
  }

  [[nodiscard]] const peer& other_side() const noexcept override { return other_; }

  void start(std::shared_ptr<transport_user> user) override { user->on_started({}); }

  void read(asio::mutable_buffer into, std::shared_ptr<transport_user> user) override {
    socket_.async_read_some(
        into, [user = std::move(user)](error_code why, std::size_t n) { user->on_read(why, n); });
  }

  std::size_t try_write(buffers from, error_code& why) override {
    auto n = socket_.write_some(from, why);
    if (why == asio::error::would_block || why == asio::error::try_again)
      why = {};
    return n;
  }

  void write(buffers from, std::shared_ptr<transport_user> user) override {
    socket_.async_write_some(from, [user = std::move(user)](error_code why, std::size_t n) {
      user->on_written(why, n);
    });
  }

  void finish() override {
    error_code ignored;
    socket_.shutdown(stream_socket::shutdown_send, ignored);
  }

  void close() override {
    error_code ignored;
    socket_.shutdown(stream_socket::shutdown_both, ignored);
    socket_.close(ignored);
  }

private:
  stream_socket socket_;
  peer other_;
};

class tls_transport final : public transport {
public:
  tls_transport(stream_socket socket, asio::ssl::context& tls) : stream_{std::move(socket), tls} {
    other_ = peer_of(stream_.next_layer());
    other_.secure = true;
  }

  [[nodiscard]] const peer& other_side() const noexcept override { return other_; }

  void start(std::shared_ptr<transport_user> user) override {
    stream_.async_handshake(asio::ssl::stream_base::server,
                            [this, user = std::move(user)](error_code why) {
                              // The user owns this.
                              if (!why)
                                other_.certificate = certificate_of(stream_.native_handle());
                              user->on_started(why);
                            });
  }

  void read(asio::mutable_buffer into, std::shared_ptr<transport_user> user) override {
    stream_.async_read_some(
        into, [user = std::move(user)](error_code why, std::size_t n) { user->on_read(why, n); });
  }

  std::size_t try_write(buffers, error_code&) override { return 0; }

  void write(buffers from, std::shared_ptr<transport_user> user) override {
    stream_.async_write_some(from, [user = std::move(user)](error_code why, std::size_t n) {
      user->on_written(why, n);
    });
  }

  void finish() override {
    error_code ignored;
    stream_.next_layer().shutdown(stream_socket::shutdown_send, ignored);
  }

  void close() override {
    error_code ignored;
    auto& socket = stream_.next_layer();
    socket.shutdown(stream_socket::shutdown_both, ignored);
    socket.close(ignored);
  }

private:
  asio::ssl::stream<stream_socket> stream_;
  peer other_;
};

} // namespace

std::unique_ptr<transport> make_plain_transport(stream_socket socket) {
  return std::make_unique<plain_transport>(std::move(socket));
}

std::unique_ptr<transport> make_tls_transport(stream_socket socket, asio::ssl::context& tls) {
  return std::make_unique<tls_transport>(std::move(socket), tls);
}

result<std::shared_ptr<asio::ssl::context>> load_tls(const tls_settings& with) {
  const auto& certificate = with.certificate;
  const auto& key = with.key;
  using asio::ssl::context;
  auto tls = std::make_shared<context>(context::tls_server);
  error_code why;
  tls->set_options(context::default_workarounds | context::no_sslv2 | context::no_sslv3
                       | context::no_tlsv1 | context::no_tlsv1_1 | context::no_compression,
                   why);
  // Else OpenSSL asks whoever sits at the terminal, and the daemon waits for it.
  tls->set_password_callback([](std::size_t, context::password_purpose) { return std::string{}; });
  if (!why)
    tls->use_certificate_chain_file(certificate, why);
  if (why)
    return error{errc::invalid_argument, "tls.cert: " + certificate + ": " + why.message()};
  tls->use_private_key_file(key, context::pem, why);
  if (why)
    return error{errc::invalid_argument, "tls.key: " + key + ": " + why.message()};
  if (with.client_ca.empty())
    return tls;
  tls->load_verify_file(with.client_ca, why);
  if (!why)
    tls->set_verify_mode(asio::ssl::verify_peer
                             | (with.client_required ? asio::ssl::verify_fail_if_no_peer_cert : 0),
                         why);
  if (why)
    return error{errc::invalid_argument, "tls.client_ca: " + with.client_ca + ": " + why.message()};
  auto* native = tls->native_handle();
  ::SSL_CTX_set_client_CA_list(native, ::SSL_load_client_CA_file(with.client_ca.c_str()));
  // A resumed session would not show the certificate again, and might outlive it.
  ::SSL_CTX_set_session_cache_mode(native, SSL_SESS_CACHE_OFF);
  ::SSL_CTX_set_options(native, SSL_OP_NO_TICKET);
  return tls;
}

} // namespace vivarium
