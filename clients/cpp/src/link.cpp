// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/src/link.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>

#include <deque>
#include <mutex>
#include <optional>
#include <utility>

#include <openssl/ssl.h>

// The only file that knows Beast.
namespace vivarium {
inline namespace client_v1 {
namespace detail {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using boost::system::error_code;
using plain_stream = asio::generic::stream_protocol::socket;
using tls_stream = asio::ssl::stream<plain_stream>;

constexpr const char* subprotocol = "vivarium.v1.proto";
constexpr const char* agent = "vivarium-cpp";
// How long a close waits for the daemon's half of it.
constexpr std::chrono::seconds close_patience{5};
// A buffer that one large message has grown is not kept.
constexpr std::size_t kept_buffer = std::size_t{1} << 20;
constexpr std::size_t write_buffer = std::size_t{64} << 10;

plain_stream& lowest(plain_stream& stream) {
  return stream;
}
plain_stream& lowest(tls_stream& stream) {
  return stream.next_layer();
}

/// A connection on its way: whoever holds it can give up.
struct dialing {
  explicit dialing(asio::strand<asio::io_context::executor_type> on)
      : resolver{on}, socket{on}, clock{on} {}
  asio::ip::tcp::resolver resolver;
  plain_stream socket;
  asio::steady_timer clock;
  plain_stream* moved_to = nullptr; ///< Where the socket lives from the handshakes on.
  bool late = false;

  void start(std::chrono::milliseconds timeout, const std::shared_ptr<dialing>& self) {
    clock.expires_after(timeout);
    clock.async_wait([self](error_code cancelled) {
      if (cancelled)
        return;
      self->late = true;
      error_code ignored;
      self->resolver.cancel();
      (self->moved_to != nullptr ? *self->moved_to : self->socket).close(ignored);
    });
  }
};

asio::awaitable<void> dial(dialing& on, const address& where) {
  if (where.kind == address::scheme::unix_socket) {
    // Asio throws by itself when the path is too long for the system.
    co_await on.socket.async_connect(asio::local::stream_protocol::endpoint{where.path},
                                     asio::use_awaitable);
    co_return;
  }
  auto found = co_await on.resolver.async_resolve(where.host, where.port, asio::use_awaitable);
  error_code failed = asio::error::host_not_found;
  for (const auto& entry : found) {
    error_code ignored;
    on.socket.close(ignored);
    co_await on.socket.async_connect(entry.endpoint(),
                                     asio::redirect_error(asio::use_awaitable, failed));
    if (failed)
      continue;
    on.socket.set_option(asio::ip::tcp::no_delay{true}, ignored);
    co_return;
  }
  throw boost::system::system_error{failed};
}

void prepare(asio::ssl::context& tls, const link_options& how) {
  if (how.ca_file.empty())
    tls.set_default_verify_paths();
  else
    tls.load_verify_file(how.ca_file);
  tls.set_verify_mode(asio::ssl::verify_peer);
}

asio::awaitable<void> shake_hands(tls_stream& stream, const std::string& host) {
  ::SSL_set_tlsext_host_name(stream.native_handle(), host.c_str());
  stream.set_verify_callback(asio::ssl::host_name_verification{host});
  co_await stream.async_handshake(asio::ssl::stream_base::client, asio::use_awaitable);
}

std::string reason(const link_options& how, const dialing& state, const std::string& why) {
  return "no vivariumd at " + how.where.name() + ": "
         + (state.late ? std::string{"it took too long"} : why);
}

template <class Stream>
class ws_link final : public link, public std::enable_shared_from_this<ws_link<Stream>> {
public:
  ws_link(Stream stream, std::shared_ptr<asio::ssl::context> tls, link_events events)
      : tls_{std::move(tls)}, executor_{stream.get_executor()},
        ws_{std::in_place, std::move(stream)}, clock_{executor_}, events_{std::move(events)} {}

  plain_stream& socket() { return lowest(ws_->next_layer()); }
  Stream& stream() { return ws_->next_layer(); }

  /// Returns what the daemon said when it refused.
  asio::awaitable<opened> upgrade(const link_options& how) {
    opened out;
    ws_->set_option(websocket::stream_base::timeout{how.timeout, how.idle_timeout, true});
    ws_->set_option(websocket::stream_base::decorator([&how](websocket::request_type& request) {
      request.set(http::field::user_agent, agent);
      request.set(http::field::sec_websocket_protocol, subprotocol);
      if (!how.api_key.empty())
        request.set(http::field::authorization, "Bearer " + how.api_key);
      if (!how.traceparent.empty())
        request.set("traceparent", how.traceparent);
    }));
    ws_->read_message_max(how.max_message);
    ws_->auto_fragment(false);
    ws_->write_buffer_bytes(write_buffer);
    ws_->binary(true);
    websocket::response_type answer;
    error_code failed;
    co_await ws_->async_handshake(answer, how.where.authority(), "/v1/ws",
                                  asio::redirect_error(asio::use_awaitable, failed));
    out.request_id = std::string{answer["x-request-id"]};
    if (failed == websocket::error::upgrade_declined) {
      out.why = "the server answered with status " + std::to_string(answer.result_int())
                + ", which is no answer of vivariumd";
      out.answer = answer.body();
    } else if (failed) {
      throw boost::system::system_error{failed};
    } else if (answer[http::field::sec_websocket_protocol] != subprotocol) {
      out.why = "the server does not speak " + std::string{subprotocol};
    }
    co_return out;
  }

  void run() { read(); }

  void send(std::string message) override {
    const std::lock_guard lock{mutex_};
    queue_.push_back(std::move(message));
    if (std::exchange(writing_, true))
      return;
    asio::post(executor_, [self = this->shared_from_this()] { self->write(); });
  }

  void close() override {
    asio::post(executor_, [self = this->shared_from_this()] {
      if (self->ended_ || std::exchange(self->closing_, true))
        return;
      self->clock_.expires_after(close_patience);
      self->clock_.async_wait([self](error_code cancelled) {
        if (!cancelled)
          self->end("the connection was closed");
      });
      const std::unique_lock lock{self->mutex_};
      if (!self->writing_)
        self->say_goodbye();
    });
  }

  void after(std::chrono::milliseconds pause, std::function<void()> act) override {
    asio::post(executor_, [self = this->shared_from_this(), pause, act = std::move(act)] {
      if (self->closing_ || self->ended_)
        return;
      self->clock_.expires_after(pause);
      self->clock_.async_wait([self, act](error_code cancelled) {
        if (!cancelled && !self->ended_)
          act();
      });
    });
  }

private:
  void read() {
    ws_->async_read(buffer_, [self = this->shared_from_this()](error_code failed, std::size_t) {
      if (failed)
        return self->end(failed == websocket::error::closed ? self->farewell() : failed.message());
      if (self->ended_)
        return;
      const auto data = self->buffer_.data();
      self->events_.message({static_cast<const char*>(data.data()), data.size()});
      self->buffer_.consume(data.size());
      if (self->buffer_.capacity() > kept_buffer)
        self->buffer_.shrink_to_fit();
      self->read();
    });
  }

  std::string farewell() const {
    const auto& why = ws_->reason();
    return why.reason.empty() ? "the daemon closed the connection"
                              : std::string{why.reason.data(), why.reason.size()};
  }

  void write() {
    {
      const std::lock_guard lock{mutex_};
      if (queue_.empty() || ended_) {
        writing_ = false;
        if (closing_ && !ended_)
          say_goodbye();
        return;
      }
      current_ = std::move(queue_.front());
      queue_.pop_front();
    }
    ws_->async_write(asio::buffer(current_),
                     [self = this->shared_from_this()](error_code failed, std::size_t) {
                       if (failed)
                         return self->end(failed.message());
                       self->write();
                     });
  }

  void say_goodbye() {
    ws_->async_close(websocket::close_code::normal, [self = this->shared_from_this()](error_code) {
      self->end("the connection was closed");
    });
  }

  void end(const std::string& why) {
    if (std::exchange(ended_, true))
      return;
    clock_.cancel();
    error_code ignored;
    socket().close(ignored);
    // Its own timer would keep the context running for minutes. Not here: it may be at work.
    asio::post(executor_, [self = this->shared_from_this()] { self->ws_.reset(); });
    auto events = std::exchange(events_, {});
    events.closed(why);
  }

  std::shared_ptr<asio::ssl::context> tls_;
  asio::any_io_executor executor_;
  std::optional<websocket::stream<Stream>> ws_; // nothing some time after the end
  asio::steady_timer clock_;
  beast::flat_buffer buffer_;
  link_events events_;
  bool closing_ = false;
  bool ended_ = false;
  std::string current_;
  std::mutex mutex_; // guards queue_ and writing_
  std::deque<std::string> queue_;
  bool writing_ = false;
};

template <class Stream>
asio::awaitable<opened> finish(const std::shared_ptr<ws_link<Stream>>& link, dialing& state,
                               const link_options& how) {
  state.moved_to = &link->socket();
  if constexpr (std::is_same_v<Stream, tls_stream>)
    co_await shake_hands(link->stream(), how.where.host);
  auto out = co_await link->upgrade(how);
  state.clock.cancel();
  state.moved_to = nullptr;
  if (out.why.empty()) {
    link->run();
    out.open = link;
  }
  co_return out;
}

asio::awaitable<opened> open(std::shared_ptr<dialing> state, link_options how, link_events events) {
  opened out;
  try {
    co_await dial(*state, how.where);
    if (how.where.kind == address::scheme::https) {
      auto tls = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
      prepare(*tls, how);
      // Named: GCC 12 forgets temporaries of a co_await that throws.
      auto link = std::make_shared<ws_link<tls_stream>>(tls_stream{std::move(state->socket), *tls},
                                                        tls, std::move(events));
      out = co_await finish(link, *state, how);
    } else {
      auto link = std::make_shared<ws_link<plain_stream>>(std::move(state->socket), nullptr,
                                                          std::move(events));
      out = co_await finish(link, *state, how);
    }
  } catch (const boost::system::system_error& failed) {
    out.why = reason(how, *state, failed.code().message());
  }
  state->moved_to = nullptr;
  state->clock.cancel();
  co_return out;
}

template <class Stream>
asio::awaitable<void> get(Stream& stream, const link_options& how, const std::string& path,
                          fetched& out) {
  http::request<http::empty_body> request{http::verb::get, path, 11};
  request.set(http::field::host, how.where.authority());
  request.set(http::field::user_agent, agent);
  request.set(http::field::connection, "close");
  co_await http::async_write(stream, request, asio::use_awaitable);
  beast::flat_buffer buffer;
  http::response<http::string_body> answer;
  co_await http::async_read(stream, buffer, answer, asio::use_awaitable);
  out.status = answer.result_int();
  out.body = std::move(answer.body());
}

asio::awaitable<void> fetch_in(std::shared_ptr<dialing> state, const link_options& how,
                               const std::string& path, fetched& out) {
  try {
    co_await dial(*state, how.where);
    if (how.where.kind == address::scheme::https) {
      asio::ssl::context tls{asio::ssl::context::tls_client};
      prepare(tls, how);
      tls_stream stream{std::move(state->socket), tls};
      state->moved_to = &stream.next_layer();
      co_await shake_hands(stream, how.where.host);
      co_await get(stream, how, path, out);
      state->moved_to = nullptr;
    } else {
      co_await get(state->socket, how, path, out);
    }
  } catch (const boost::system::system_error& failed) {
    out.why = reason(how, *state, failed.code().message());
  }
  state->moved_to = nullptr;
  state->clock.cancel();
}

} // namespace

void open_link(asio::io_context& context, link_options how, link_events events,
               std::function<void(opened)> then) {
  auto strand = asio::make_strand(context);
  auto state = std::make_shared<dialing>(strand);
  state->start(how.timeout, state);
  asio::co_spawn(strand, open(state, std::move(how), std::move(events)),
                 [then = std::move(then)](std::exception_ptr failed, opened out) {
                   if (failed)
                     out.why = "the connection could not be made";
                   then(std::move(out));
                 });
}

fetched fetch(const link_options& how, const std::string& path) {
  fetched out;
  asio::io_context context;
  auto state = std::make_shared<dialing>(asio::make_strand(context));
  state->start(how.timeout, state);
  asio::co_spawn(context, fetch_in(state, how, path, out), asio::detached);
  context.run();
  return out;
}

} // namespace detail
} // namespace client_v1
} // namespace vivarium
