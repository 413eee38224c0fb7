// SPDX-License-Identifier: Apache-2.0
#include "daemon/span_exporter.hpp"

#include "actors/outbound.hpp"
#include "daemon/http_message.hpp"
#include "daemon/http_relay.hpp"
#include "daemon/relay_stream.hpp"
#include "daemon/version.hpp"
#include "proto/ids.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <utility>

#include <sys/socket.h>

namespace vivarium {

namespace {

namespace asio = boost::asio;
using asio::awaitable;
using asio::use_awaitable;

constexpr int most_attempts = 5;
constexpr std::chrono::milliseconds longest_pause{30'000};
// Of an answer nothing but its status is of interest.
constexpr std::size_t most_answer = 1u << 20;

/// What became of a batch.
struct delivery {
  enum class outcome : std::uint8_t { sent, refused, failed };
  outcome how = outcome::failed;
  std::string why = {}; ///< Text of ours, or of the system.
};

bool comes_later(unsigned status) noexcept {
  return status == 429 || status == 502 || status == 503 || status == 504;
}

std::string text_attribute(std::string_view name, std::string_view value) {
  std::string out = R"({"key":")";
  out += name;
  out += R"(","value":{"stringValue":)";
  append_quoted(out, value);
  out += "}}";
  return out;
}

std::string beginning_of(const tracing_settings& with) {
  std::string out = R"({"resourceSpans":[{"resource":{"attributes":[)";
  out += text_attribute("service.name", with.service);
  out += ',';
  out += text_attribute("service.version", version);
  out += ',';
  out += text_attribute("service.instance.id", random_text());
  out += R"(]},"scopeSpans":[{"scope":{"name":"vivarium","version":)";
  append_quoted(out, version);
  out += R"(},"spans":[)";
  return out;
}

constexpr std::string_view ending = "]}]}]}";

std::string head_of(const tracing_settings& with) {
  std::string out = "POST " + with.path + " HTTP/1.1\r\nHost: ";
  out += with.host.find(':') != std::string::npos ? "[" + with.host + "]" : with.host;
  out += ":" + std::to_string(with.port);
  out += "\r\nContent-Type: application/json\r\nUser-Agent: vivariumd/";
  out += version;
  out += "\r\n";
  for (const auto& [name, value] : with.headers)
    out += name + ": " + value + "\r\n";
  return out + "Content-Length: ";
}

} // namespace

/// Lives as long as its coroutine does, which may be longer than the exporter.
class span_exporter::sender : public std::enable_shared_from_this<sender> {
public:
  sender(asio::io_context& reactor, tracer& spans, const tracing_settings& with, log& journal)
      : reactor_{reactor}, spans_{spans}, with_{with}, journal_{journal}, gate_{reactor},
        wake_{reactor}, last_call_{reactor}, beginning_{beginning_of(with)}, head_{head_of(with)} {}

  void start() {
    spans_.on_enough([weak = weak_from_this()] {
      if (auto self = weak.lock(); self && !self->busy_)
        self->wake_.cancel();
    });
    asio::co_spawn(reactor_, run(shared_from_this()), asio::detached);
  }

  void finish(std::chrono::milliseconds within, std::function<void()> then) {
    then_ = std::move(then);
    ending_ = true;
    wake_.cancel();
    last_call_.expires_after(within);
    last_call_.async_wait([weak = weak_from_this()](boost::system::error_code why) {
      if (auto self = weak.lock(); self && !why)
        self->over();
    });
    if (stopped_)
      over();
  }

  /// Nobody wants anything of it any more.
  void let_go() {
    ending_ = true;
    then_ = nullptr;
    spans_.on_enough(nullptr);
    wake_.cancel();
    last_call_.cancel();
    if (stream_)
      stream_->close();
  }

private:
  static awaitable<void> run(std::shared_ptr<sender> self) {
    for (bool more = true; more;)
      more = co_await self->round();
    self->stopped_ = true;
    self->over();
  }

  void over() {
    auto then = std::exchange(then_, nullptr);
    if (!then)
      return;
    last_call_.cancel();
    spans_.count_lost(tracer::loss::stopped, spans_.count().waiting + in_hand_);
    in_hand_ = 0;
    then();
  }

  awaitable<void> pause(std::chrono::milliseconds time) {
    boost::system::error_code ignored;
    wake_.expires_after(time);
    co_await wake_.async_wait(asio::redirect_error(use_awaitable, ignored));
  }

  /// False: it has been told to end, and nothing is left.
  awaitable<bool> round() {
    if (!ending_ && !enough())
      co_await pause(with_.interval);
    auto batch = spans_.take();
    if (batch.count == 0)
      co_return !ending_;
    busy_ = true;
    in_hand_ = batch.count;
    std::string body = beginning_ + batch.spans;
    body += ending;
    co_await deliver(body);
    busy_ = false;
    co_return true;
  }

  [[nodiscard]] bool enough() const { return spans_.count().waiting >= with_.batch; }

  awaitable<void> deliver(const std::string& body) {
    auto wait = with_.interval;
    for (int attempt = 1; in_hand_ > 0; ++attempt) {
      auto got = co_await attempt_once(body);
      if (got.how == delivery::outcome::sent) {
        spans_.count_sent(std::exchange(in_hand_, 0));
        say_well();
        co_return;
      }
      say_ill(got.why);
      bool last = attempt == most_attempts || ending_;
      if (got.how == delivery::outcome::refused || last) {
        spans_.count_lost(got.how == delivery::outcome::refused ? tracer::loss::refused
                                                                : tracer::loss::unreachable,
                          std::exchange(in_hand_, 0));
        co_return;
      }
      co_await pause(wait);
      wait = std::min(wait * 2, longest_pause);
    }
  }

  /// A connection that was kept may have been closed meanwhile: then another one is made.
  awaitable<delivery> attempt_once(const std::string& body) {
    bool kept = stream_ != nullptr && !stream_->stale();
    if (!kept)
      stream_.reset();
    auto got = co_await send(body);
    if (got.how == delivery::outcome::failed) {
      stream_.reset();
      if (kept && !ending_)
        got = co_await send(body);
    }
    co_return got;
  }

  awaitable<delivery> send(const std::string& body) {
    auto until = clock_type::now() + with_.timeout;
    if (!stream_) {
      auto why = co_await connect(until);
      if (!why.empty())
        co_return delivery{.why = std::move(why)};
    }
    std::string text = head_ + std::to_string(body.size()) + "\r\n\r\n";
    text += body;
    bool written = co_await stream_->write(text, left(until));
    if (!written)
      co_return delivery{.why = "it does not take what is sent"};
    http_message_reader answer{http_message_reader::kind::response};
    std::string bytes;
    std::string ignored;
    auto ok = co_await read_answer(answer, bytes, ignored, until);
    if (!ok) {
      stream_.reset();
      co_return delivery{.why = std::move(ok).why().detail};
    }
    auto status = answer.head().status;
    if (!answer.head().keep_alive || answer.head().until_end || !bytes.empty())
      stream_.reset();
    if (status >= 200 && status < 300)
      co_return delivery{.how = delivery::outcome::sent};
    co_return delivery{comes_later(status) ? delivery::outcome::failed : delivery::outcome::refused,
                       "it answers with status " + std::to_string(status)};
  }

  awaitable<status> read_answer(http_message_reader& answer, std::string& bytes,
                                std::string& ignored, clock_type::time_point until) {
    std::size_t taken = 0;
    for (bool more = true; more;) {
      bool got = co_await stream_->read(bytes, until);
      if (!got) {
        auto whole = answer.end();
        if (whole && answer.done())
          co_return done{};
        co_return error{errc::unavailable, "it does not answer"};
      }
      // What is taken at once is bounded: there may be more to take.
      for (auto before = bytes.size() + 1; bytes.size() < before && !answer.done();) {
        before = bytes.size();
        auto ok = answer.take(bytes, ignored);
        if (!ok)
          co_return error{errc::malformed, "its answer is no HTTP"};
        taken += std::exchange(ignored, {}).size();
      }
      if (taken > most_answer)
        co_return error{errc::too_large, "its answer does not end"};
      more = !answer.done();
    }
    co_return done{};
  }

  /// The text says why not; empty when it did.
  awaitable<std::string> connect(clock_type::time_point until) {
    outbound_target to;
    to.host = with_.host;
    to.port = with_.port;
    auto made = co_await connect_outbound(gate_, std::move(to), until);
    if (!made)
      co_return std::move(made).why().detail;
    auto taken = adopt(*std::move(made));
    if (!taken)
      co_return std::string{"the connection cannot be used"};
    stream_ = std::move(taken);
    if (!with_.secure)
      co_return std::string{};
    auto context = co_await trust_.with(with_.ca);
    if (!context)
      co_return std::string{"the certificates to check it with cannot be read"};
    auto failed = co_await stream_->connect_tls(std::move(context), with_.host, left(until));
    if (!failed.empty()) {
      stream_.reset();
      co_return "TLS failed: " + failed;
    }
    co_return std::string{};
  }

  std::unique_ptr<relay_stream> adopt(unique_fd made) {
    sockaddr_storage name{};
    socklen_t size = sizeof name;
    ::getsockname(made.get(), reinterpret_cast<sockaddr*>(&name), &size);
    asio::ip::tcp::socket socket{reactor_};
    boost::system::error_code why;
    socket.assign(name.ss_family == AF_INET6 ? asio::ip::tcp::v6() : asio::ip::tcp::v4(),
                  made.release(), why);
    return why ? nullptr : std::make_unique<relay_stream>(std::move(socket));
  }

  static std::chrono::milliseconds left(clock_type::time_point until) {
    auto time = std::chrono::ceil<std::chrono::milliseconds>(until - clock_type::now());
    return std::max(time, std::chrono::milliseconds{1});
  }

  void say_ill(const std::string& why) {
    if (!std::exchange(ill_, true))
      journal_.warn("the collector of traces does not take them",
                    {{"endpoint", with_.endpoint}, {"detail", why}});
  }
  void say_well() {
    if (std::exchange(ill_, false))
      journal_.info("the collector of traces takes them again", {{"endpoint", with_.endpoint}});
  }

  asio::io_context& reactor_;
  tracer& spans_;
  tracing_settings with_;
  log& journal_;
  egress_gate gate_;
  server_trust trust_;
  asio::steady_timer wake_;
  asio::steady_timer last_call_;
  std::string beginning_;
  std::string head_;
  std::unique_ptr<relay_stream> stream_;
  std::function<void()> then_;
  std::size_t in_hand_ = 0; // Of the batch that is being sent.
  bool busy_ = false;
  bool ending_ = false;
  bool stopped_ = false;
  bool ill_ = false;
};

span_exporter::span_exporter(asio::io_context& reactor, tracer& spans, const tracing_settings& with,
                             log& journal)
    : sender_{std::make_shared<sender>(reactor, spans, with, journal)} {}

span_exporter::~span_exporter() {
  sender_->let_go();
}

void span_exporter::start() {
  sender_->start();
}

void span_exporter::finish(std::chrono::milliseconds within, std::function<void()> then) {
  sender_->finish(within, std::move(then));
}

} // namespace vivarium
