// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/transport.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <utility>

#include <openssl/ssl.h>

namespace vivarium::cli {

namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;
using plain_stream = asio::generic::stream_protocol::socket;
using tls_stream = asio::ssl::stream<plain_stream>;

error unreachable(const address& where, const error_code& why) {
  auto name = where.kind == address::scheme::unix_socket ? where.path : where.authority();
  return {errc::unavailable, "no vivariumd at " + name + ": " + why.message()};
}

/// Connects `socket`; a Unix socket by its path, else by name, address after address.
error_code connect(asio::io_context& context, const address& where, plain_stream& socket) {
  error_code failed;
  if (where.kind == address::scheme::unix_socket) {
    if (where.path.size() > 107)
      return asio::error::name_too_long;
    socket.connect(asio::local::stream_protocol::endpoint{where.path}, failed);
    return failed;
  }
  asio::ip::tcp::resolver resolver{context};
  auto found = resolver.resolve(where.host, where.port, failed);
  if (failed)
    return failed;
  for (const auto& entry : found) {
    asio::ip::tcp::socket tcp{context};
    if (!tcp.connect(entry.endpoint(), failed)) {
      error_code ignored;
      tcp.set_option(asio::ip::tcp::no_delay{true}, ignored);
      socket = plain_stream{std::move(tcp)};
      return {};
    }
  }
  return failed;
}

class http_transport final : public transport {
public:
  http_transport(address where, std::string api_key)
      : where_{std::move(where)}, api_key_{std::move(api_key)} {}

  result<http_response> send(const http_request& what, const body_sink& sink) override {
    const bool reused = open();
    error_code failed = reused ? error_code{} : dial();
    if (failed)
      return unreachable(where_, failed);
    bool answered = false;
    auto answer = exchange(what, sink, answered, failed);
    // A kept connection may have been closed meanwhile; not a byte of an answer came.
    if (failed && reused && !answered) {
      close();
      failed = dial();
      if (!failed)
        answer = exchange(what, sink, answered, failed);
    }
    if (failed) {
      close();
      return unreachable(where_, failed);
    }
    return answer;
  }

private:
  bool open() const { return plain_.has_value() || tls_.has_value(); }

  void close() {
    plain_.reset();
    tls_.reset();
    buffer_.clear();
  }

  error_code dial() {
    plain_stream socket{context_};
    if (auto failed = connect(context_, where_, socket))
      return failed;
    if (where_.kind != address::scheme::https) {
      plain_.emplace(std::move(socket));
      return {};
    }
    error_code failed;
    tls_context_.set_default_verify_paths(failed);
    tls_context_.set_verify_mode(asio::ssl::verify_peer, failed);
    tls_.emplace(std::move(socket), tls_context_);
    ::SSL_set_tlsext_host_name(tls_->native_handle(), where_.host.c_str());
    tls_->set_verify_callback(asio::ssl::host_name_verification{where_.host}, failed);
    tls_->handshake(asio::ssl::stream_base::client, failed);
    if (failed)
      tls_.reset();
    return failed;
  }

  http_response exchange(const http_request& what, const body_sink& sink, bool& answered,
                         error_code& failed) {
    return tls_ ? exchange_on(*tls_, what, sink, answered, failed)
                : exchange_on(*plain_, what, sink, answered, failed);
  }

  http::request<http::string_body> build(const http_request& what) const {
    const bool post = what.method == http_request::verb::post;
    http::request<http::string_body> out{post ? http::verb::post : http::verb::get, what.path, 11};
    out.set(http::field::host, where_.authority());
    out.set(http::field::user_agent, "vivarium-cli");
    if (!api_key_.empty())
      out.set(http::field::authorization, "Bearer " + api_key_);
    if (post) {
      out.set(http::field::content_type, what.content_type);
      out.set("Connect-Protocol-Version", "1");
      out.body() = what.body;
    }
    out.prepare_payload();
    return out;
  }

  template <class Stream>
  http_response exchange_on(Stream& stream, const http_request& what, const body_sink& sink,
                            bool& answered, error_code& failed) {
    http_response out;
    http::write(stream, build(what), failed);
    // A daemon that refuses a body may answer before it has read all of it.
    http::response_parser<http::buffer_body> parser;
    parser.body_limit(boost::none);
    if (failed && failed != asio::error::broken_pipe && failed != asio::error::connection_reset)
      return out;
    failed.clear();
    http::read_header(stream, buffer_, parser, failed);
    answered = parser.got_some();
    if (failed)
      return out;
    out.status = parser.get().result_int();
    out.content_type = std::string{parser.get()[http::field::content_type]};
    if (!read_body(stream, parser, out.status == 200 ? sink : body_sink{}, out.body, failed)
        || !parser.keep_alive())
      close();
    return out;
  }

  /// Returns false when the sink had enough: the rest of the answer is still on its way.
  template <class Stream, class Parser>
  bool read_body(Stream& stream, Parser& parser, const body_sink& sink, std::string& whole,
                 error_code& failed) {
    std::array<char, 65'536> piece; // NOLINT(cppcoreguidelines-pro-type-member-init)
    while (!parser.is_done()) {
      parser.get().body().data = piece.data();
      parser.get().body().size = piece.size();
      http::read_some(stream, buffer_, parser, failed);
      if (failed == http::error::need_buffer)
        failed.clear();
      if (failed)
        return true;
      std::string_view got{piece.data(), piece.size() - parser.get().body().size};
      if (!sink)
        whole.append(got);
      else if (!got.empty() && !sink(got))
        return false;
    }
    return true;
  }

  address where_;
  std::string api_key_;
  asio::io_context context_;
  asio::ssl::context tls_context_{asio::ssl::context::tls_client};
  boost::beast::flat_buffer buffer_;
  std::optional<plain_stream> plain_;
  std::optional<tls_stream> tls_;
};

} // namespace

std::unique_ptr<transport> transport::make(address where, std::string api_key) {
  return std::make_unique<http_transport>(std::move(where), std::move(api_key));
}

} // namespace vivarium::cli
