// SPDX-License-Identifier: Apache-2.0
#include "daemon/transport.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/ssl/stream.hpp>

#include <utility>

namespace vivarium {

namespace asio = boost::asio;

namespace {

using buffers = std::span<const asio::const_buffer>;

class plain_transport final : public transport {
public:
  explicit plain_transport(stream_socket socket) : socket_{std::move(socket)} {
    error_code ignored;
    socket_.non_blocking(true, ignored);
  }

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
};

class tls_transport final : public transport {
public:
  tls_transport(stream_socket socket, asio::ssl::context& tls) : stream_{std::move(socket), tls} {}

  void start(std::shared_ptr<transport_user> user) override {
    stream_.async_handshake(asio::ssl::stream_base::server,
                            [user = std::move(user)](error_code why) { user->on_started(why); });
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
};

} // namespace

std::unique_ptr<transport> make_plain_transport(stream_socket socket) {
  return std::make_unique<plain_transport>(std::move(socket));
}

std::unique_ptr<transport> make_tls_transport(stream_socket socket, asio::ssl::context& tls) {
  return std::make_unique<tls_transport>(std::move(socket), tls);
}

result<std::shared_ptr<asio::ssl::context>> load_tls(const std::string& certificate,
                                                     const std::string& key) {
  using asio::ssl::context;
  auto tls = std::make_shared<context>(context::tls_server);
  error_code why;
  tls->set_options(context::default_workarounds | context::no_sslv2 | context::no_sslv3
                       | context::no_tlsv1 | context::no_tlsv1_1 | context::no_compression,
                   why);
  if (!why)
    tls->use_certificate_chain_file(certificate, why);
  if (why)
    return error{errc::invalid_argument, "tls.cert " + certificate + ": " + why.message()};
  tls->use_private_key_file(key, context::pem, why);
  if (why)
    return error{errc::invalid_argument, "tls.key " + key + ": " + why.message()};
  return tls;
}

} // namespace vivarium
