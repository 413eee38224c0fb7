// SPDX-License-Identifier: Apache-2.0
#include "daemon/relay_stream.hpp"

#include "actors/outbound.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <cerrno>
#include <utility>

#include <sys/socket.h>

namespace vivarium {

namespace {

namespace asio = boost::asio;
using asio::use_awaitable;

constexpr std::size_t read_bytes = 64u << 10;
constexpr std::size_t most_drained = 1u << 20;
constexpr std::chrono::milliseconds drain_time{2'000};

} // namespace

asio::awaitable<bool> relay_stream::accept_tls(std::shared_ptr<asio::ssl::context> with,
                                               std::chrono::milliseconds within) {
  context_ = std::move(with);
  tls_ = std::make_unique<asio::ssl::stream<asio::ip::tcp::socket&>>(socket_, *context_);
  alarm_clock alarm{socket_.get_executor(), clock_type::now() + within, [this] { close(); }};
  boost::system::error_code why;
  co_await tls_->async_handshake(asio::ssl::stream_base::server,
                                 asio::redirect_error(use_awaitable, why));
  co_return !why;
}

asio::awaitable<std::string> relay_stream::connect_tls(std::shared_ptr<asio::ssl::context> with,
                                                       std::string host,
                                                       std::chrono::milliseconds within) {
  context_ = std::move(with);
  tls_ = std::make_unique<asio::ssl::stream<asio::ip::tcp::socket&>>(socket_, *context_);
  boost::system::error_code why;
  tls_->set_verify_callback(asio::ssl::host_name_verification{host}, why);
  SSL_set_tlsext_host_name(tls_->native_handle(), host.c_str());
  alarm_clock alarm{socket_.get_executor(), clock_type::now() + within, [this] { close(); }};
  co_await tls_->async_handshake(asio::ssl::stream_base::client,
                                 asio::redirect_error(use_awaitable, why));
  if (!why)
    co_return std::string{};
  auto verdict = SSL_get_verify_result(tls_->native_handle());
  co_return verdict == X509_V_OK ? why.message()
                                 : std::string{X509_verify_cert_error_string(verdict)};
}

asio::awaitable<bool> relay_stream::read(std::string& into, clock_type::time_point until) {
  alarm_clock alarm{socket_.get_executor(), until, [this] { close(); }};
  auto held = into.size();
  into.resize(held + read_bytes);
  auto room = asio::buffer(into.data() + held, read_bytes);
  boost::system::error_code why;
  std::size_t got = 0;
  if (tls_)
    got = co_await tls_->async_read_some(room, asio::redirect_error(use_awaitable, why));
  else
    got = co_await socket_.async_read_some(room, asio::redirect_error(use_awaitable, why));
  into.resize(held + got);
  co_return !why && got > 0;
}

asio::awaitable<bool> relay_stream::write(std::string_view what, std::chrono::milliseconds within) {
  alarm_clock alarm{socket_.get_executor(), clock_type::now() + within, [this] { close(); }};
  auto bytes = asio::buffer(what.data(), what.size());
  boost::system::error_code why;
  if (tls_)
    co_await asio::async_write(*tls_, bytes, asio::redirect_error(use_awaitable, why));
  else
    co_await asio::async_write(socket_, bytes, asio::redirect_error(use_awaitable, why));
  co_return !why;
}

asio::awaitable<void> relay_stream::finish() {
  boost::system::error_code why;
  {
    alarm_clock alarm{socket_.get_executor(), clock_type::now() + drain_time, [this] { close(); }};
    socket_.shutdown(asio::ip::tcp::socket::shutdown_send, why);
    std::string sink(read_bytes, '\0');
    for (std::size_t drained = 0; !why && drained < most_drained;)
      drained += co_await socket_.async_read_some(asio::buffer(sink),
                                                  asio::redirect_error(use_awaitable, why));
  }
  close();
}

void relay_stream::close() noexcept {
  boost::system::error_code ignored;
  socket_.close(ignored);
}

bool relay_stream::stale() noexcept {
  char byte = 0;
  auto got = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  // TLS says things of its own at any time.
  bool said = tls_ ? got == 0 : got >= 0;
  return !is_open() || said || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK);
}

} // namespace vivarium
