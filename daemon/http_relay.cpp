// SPDX-License-Identifier: Apache-2.0
#include "daemon/http_relay.hpp"

#include "daemon/http_message.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <utility>

#include <sys/socket.h>

namespace vivarium {

namespace {

namespace asio = boost::asio;
using asio::awaitable;
using asio::use_awaitable;
using kind = http_message_reader::kind;

constexpr std::chrono::milliseconds idle_time{120'000};
constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";

/// Whether the server may do a request twice: who knows whether it did before it hung up?
bool can_be_repeated(const http_head& what) {
  return !what.has_body()
         && (what.method == "GET" || what.method == "HEAD" || what.method == "OPTIONS");
}

/// One connection of a session's, request by request.
class relay {
public:
  relay(std::shared_ptr<relay_stream> guest, http_visit visit, server_trust& trust)
      : guest_{std::move(guest)}, visit_{std::move(visit)}, trust_{trust} {
    if (auto life = visit_.life.lock())
      life->on_end([this] { give_up(); });
    else
      give_up();
  }
  relay(const relay&) = delete;
  relay& operator=(const relay&) = delete;
  ~relay() {
    if (auto life = visit_.life.lock())
      life->on_end(nullptr);
  }

  awaitable<void> run() {
    // A loop whose condition waits is more than g++ 12 can compile.
    for (bool more = true; more;)
      more = co_await serve_one();
    co_await guest_->finish();
    if (server_)
      server_->close();
  }

private:
  /// The answer to a wish for a connection may come after its coroutine has gone.
  struct waiting {
    explicit waiting(const asio::any_io_executor& where) : wake{where} {}
    asio::steady_timer wake;
    result<unique_fd> got = error{errc::deadline_exceeded, "it takes too long to connect"};
  };

  /// False: the connection is over.
  awaitable<bool> serve_one() {
    http_message_reader request{kind::request};
    std::string body;
    // It may come late, but once it has begun it comes within the time of a step.
    if (from_guest_.empty()) {
      bool begun = co_await guest_->read(from_guest_, idle_time);
      if (!begun)
        co_return false;
    }
    auto ok =
        co_await read_head(*guest_, request, from_guest_, body, clock_type::now() + visit_.timeout);
    if (!ok) {
      visit_.report("malformed", {});
      auto status = ok.why().code == errc::too_large ? 431u : 400u;
      auto text = plain_response(status, "Bad Request", ok.why().detail, true, true);
      co_await guest_->write(text, visit_.timeout);
      co_return false;
    }
    const auto& head = request.head();
    bool for_head = head.method == "HEAD";
    if (auto why = check_request(head, visit_.origin); !why.empty()) {
      visit_.report("malformed", head.method);
      co_await answer(400, why, head);
      co_return false;
    }
    auto decision = decide(*visit_.rules, visit_.origin, head.method, head.target);
    if (decision.rule == nullptr) {
      visit_.report("refused", head.method);
      co_return co_await answer(403, decision.refusal, head);
    }
    if (auto why = co_await reach_server(); !why.empty()) {
      visit_.report("unreachable", head.method);
      co_return co_await answer(502, why, head);
    }
    bool fresh = std::exchange(used_, true) == false;
    auto sent = co_await send(request, *decision.rule, body);
    std::string first;
    status got = co_await read_final_head(for_head, first);
    // A connection that was kept may have been closed meanwhile; what changes nothing can be sent
    // again.
    if (!got && got.why().code == errc::cancelled && !fresh && !gone_ && can_be_repeated(head)) {
      drop_server();
      if (auto why = co_await reach_server(); why.empty()) {
        used_ = true;
        sent = co_await send(request, *decision.rule, body);
        got = co_await read_final_head(for_head, first);
      }
    }
    if (!got) {
      drop_server();
      visit_.report("unreachable", head.method);
      co_return co_await answer(502, "the server's answer cannot be had: " + got.why().detail,
                                head);
    }
    visit_.report("allowed", head.method);
    bool passed = co_await pass_back(head, *decision.rule, first);
    co_return passed&& sent;
  }

  /// Nobody waits for an answer any more: whatever is under way ends at its next step.
  void give_up() {
    gone_ = true;
    guest_->close();
    if (server_)
      server_->close();
    if (auto one = connecting_.lock())
      one->wake.expires_at(std::chrono::steady_clock::time_point::min());
  }

  /// Reads until the head is whole. `cancelled` when nothing came.
  awaitable<status> read_head(relay_stream& from, http_message_reader& into, std::string& bytes,
                              std::string& body, clock_type::time_point until) {
    bool begun = !bytes.empty();
    for (;;) {
      if (auto ok = into.take(bytes, body); !ok || into.has_head())
        co_return ok;
      bool got = co_await from.read(bytes, until);
      if (!got)
        co_return begun ? error{errc::malformed, "the connection ended in the middle of a head"}
                        : error{errc::cancelled, "the connection was closed"};
      begun = true;
    }
  }

  /// The head of the response that counts, after those of status 1xx. All of it has one deadline:
  /// a server that sends a byte now and then would hold the connection for ever.
  awaitable<status> read_final_head(bool for_head, std::string& body) {
    auto until = clock_type::now() + visit_.timeout;
    for (int interim = 0; interim < 10; ++interim) {
      response_ =
          std::make_unique<http_message_reader>(for_head ? kind::response_to_head : kind::response);
      body.clear();
      auto ok = co_await read_head(*server_, *response_, from_server_, body, until);
      if (!ok)
        co_return ok;
      if (response_->head().status == 101)
        co_return error{errc::malformed, "it changes the protocol"};
      if (response_->head().status >= 200)
        co_return done{};
    }
    co_return error{errc::malformed, "it answers without end"};
  }

  /// An answer of our own; what may follow of the request is not read.
  awaitable<bool> answer(unsigned status, std::string text, const http_head& head) {
    bool close = status == 400 || !head.keep_alive || head.has_body();
    auto whole = plain_response(status, text, text + "\n", close, head.method != "HEAD");
    bool written = co_await guest_->write(whole, visit_.timeout);
    co_return written && !close;
  }

  /// Connects, unless there is a connection; the text says why there is none.
  awaitable<std::string> reach_server() {
    if (server_ && !server_->stale() && from_server_.empty())
      co_return std::string{};
    drop_server();
    auto made = co_await connect();
    if (!made)
      co_return std::move(made).why().detail;
    boost::system::error_code why;
    auto here = co_await asio::this_coro::executor;
    asio::ip::tcp::socket socket{here};
    sockaddr_storage name{};
    socklen_t size = sizeof name;
    ::getsockname(made->get(), reinterpret_cast<sockaddr*>(&name), &size);
    socket.assign(name.ss_family == AF_INET6 ? asio::ip::tcp::v6() : asio::ip::tcp::v4(),
                  made->release(), why);
    if (why)
      co_return why.message();
    server_ = std::make_unique<relay_stream>(std::move(socket));
    if (!visit_.origin.secure)
      co_return std::string{};
    auto context = co_await trust_.with(visit_.ca);
    if (gone_)
      co_return std::string{"nobody waits for it"};
    if (!context)
      co_return std::string{"the certificates to check servers with cannot be read"};
    auto failed =
        co_await server_->connect_tls(std::move(context), visit_.origin.host, visit_.timeout);
    if (failed.empty())
      co_return std::string{};
    drop_server();
    co_return "TLS with " + visit_.origin.authority() + " failed: " + failed;
  }

  awaitable<result<unique_fd>> connect() {
    if (gone_)
      co_return error{errc::cancelled, "nobody waits for it"};
    auto here = co_await asio::this_coro::executor;
    auto one = std::make_shared<waiting>(here);
    connecting_ = one;
    one->wake.expires_after(visit_.timeout);
    visit_.connect([weak = std::weak_ptr{one}](result<unique_fd> made) {
      if (auto there = weak.lock()) {
        there->got = std::move(made);
        there->wake.expires_at(std::chrono::steady_clock::time_point::min());
      }
    });
    boost::system::error_code ignored;
    co_await one->wake.async_wait(asio::redirect_error(use_awaitable, ignored));
    if (gone_)
      co_return error{errc::cancelled, "nobody waits for it"};
    co_return std::move(one->got);
  }

  void drop_server() {
    if (server_)
      server_->close();
    server_.reset();
    from_server_.clear();
    used_ = false;
  }

  /// Sends a request; false when it was not sent whole, and the connection cannot go on.
  awaitable<bool> send(http_message_reader& request, const http_rule& rule, std::string& body) {
    const auto& head = request.head();
    auto text = head_for_server(head, visit_.origin, rule);
    bool written = co_await server_->write(text, visit_.timeout);
    if (!written || !head.has_body())
      co_return written;
    if (head.field("expect"))
      written = co_await guest_->write(go_on, visit_.timeout);
    if (!written)
      co_return false;
    co_return co_await pass_body(*guest_, from_guest_, request, body, *server_, head.chunked);
  }

  /// Passes a body on, piece by piece: each is written before the next is read.
  awaitable<bool> pass_body(relay_stream& from, std::string& bytes, http_message_reader& what,
                            std::string& piece, relay_stream& to, bool chunked) {
    for (bool starved = false;;) {
      if (!piece.empty()) {
        auto text = chunked ? chunk(piece) : std::move(piece);
        piece.clear();
        bool written = co_await to.write(text, visit_.timeout);
        if (!written)
          co_return false;
      }
      if (what.done())
        break;
      // Of a body's framing the beginning may not be enough to go on.
      if (bytes.empty() || starved) {
        bool got = co_await from.read(bytes, visit_.timeout);
        if (!got) {
          auto ended = what.end();
          if (!ended || !what.done())
            co_return false;
          break;
        }
      }
      auto held = bytes.size();
      auto ok = what.take(bytes, piece);
      if (!ok)
        co_return false;
      starved = piece.empty() && bytes.size() == held && !what.done();
    }
    if (!chunked)
      co_return true;
    auto end = chunk({});
    co_return co_await to.write(end, visit_.timeout);
  }

  awaitable<bool> pass_back(const http_head& asked, const http_rule& rule, std::string& first) {
    const auto& head = response_->head();
    bool nothing = asked.method == "HEAD" || head.status == 204 || head.status == 304;
    bool chunked = !nothing && (head.chunked || head.until_end);
    bool old = asked.version == 10;
    bool close = !asked.keep_alive || (chunked && old);
    auto text = head_for_guest(head, rule, chunked && !old, close);
    bool passed = co_await guest_->write(text, visit_.timeout);
    if (passed && !nothing)
      passed =
          co_await pass_body(*server_, from_server_, *response_, first, *guest_, chunked && !old);
    if (!passed)
      co_return false;
    if (!head.keep_alive || head.until_end)
      drop_server();
    co_return !close;
  }

  std::shared_ptr<relay_stream> guest_;
  http_visit visit_;
  server_trust& trust_;
  std::unique_ptr<relay_stream> server_;
  std::unique_ptr<http_message_reader> response_;
  std::string from_guest_;
  std::string from_server_;
  bool used_ = false; // The connection to the server has carried a request.
  bool gone_ = false; // The session has let go of its connection.
  std::weak_ptr<waiting> connecting_;
};

} // namespace

awaitable<std::shared_ptr<asio::ssl::context>> server_trust::with(std::string ca) {
  if (auto found = known_.find(ca); found != known_.end())
    co_return found->second;
  std::function<std::shared_ptr<asio::ssl::context>()> make = [ca] {
    boost::system::error_code why;
    auto made = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
    made->set_default_verify_paths(why);
    made->set_verify_mode(asio::ssl::verify_peer, why);
    SSL_CTX_set_min_proto_version(made->native_handle(), TLS1_2_VERSION);
    if (!ca.empty())
      made->add_certificate_authority(asio::buffer(ca), why);
    return why ? nullptr : made;
  };
  auto made = co_await beside_.run(std::move(make));
  known_[ca] = made;
  co_return made;
}

awaitable<void> relay_http(std::shared_ptr<relay_stream> guest, http_visit visit,
                           server_trust& trust) {
  relay one{std::move(guest), std::move(visit), trust};
  co_await one.run();
}

} // namespace vivarium
