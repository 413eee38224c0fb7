// SPDX-License-Identifier: Apache-2.0
#include "daemon/http_broker.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include <utility>

namespace vivarium {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

// Connections of sessions are counted and bounded before they come here.
constexpr std::size_t most_expected = 10'000;
constexpr auto expected_for = std::chrono::seconds{10};
constexpr auto pause_time = std::chrono::milliseconds{100};

} // namespace

http_broker::http_broker(asio::io_context& reactor)
    : reactor_{reactor}, listener_{reactor}, pause_{reactor} {}

http_broker::~http_broker() = default;

result<sandbox::endpoint> http_broker::address() {
  boost::system::error_code why;
  if (!listener_.is_open()) {
    tcp::endpoint any{asio::ip::address_v4::loopback(), 0};
    listener_.open(any.protocol(), why);
    if (!why)
      listener_.bind(any, why);
    if (!why)
      listener_.listen(asio::socket_base::max_listen_connections, why);
    if (why) {
      boost::system::error_code ignored;
      listener_.close(ignored);
      return error{errc::os_failure, "cannot listen on loopback: " + why.message()};
    }
    accept();
  }
  auto where = listener_.local_endpoint(why);
  return sandbox::endpoint{sandbox::ip_address::v4(asio::ip::address_v4::loopback().to_uint()),
                           where.port()};
}

void http_broker::expect(std::uint16_t from_port, http_visit what) {
  if (expected_.size() >= most_expected)
    expected_.erase(expected_.begin());
  expected_[from_port] = {std::move(what), std::chrono::steady_clock::now() + expected_for};
}

result<tls_authority*> http_broker::authority() {
  if (!authority_) {
    auto made = tls_authority::make();
    if (!made)
      return std::move(made).why();
    authority_ = *std::move(made);
  }
  return authority_.get();
}

result<std::string> http_broker::authority_certificate() {
  auto found = authority();
  if (!found)
    return std::move(found).why();
  return (*found)->certificate();
}

void http_broker::accept() {
  listener_.async_accept([this](boost::system::error_code why, tcp::socket one) {
    if (why == asio::error::operation_aborted)
      return;
    if (!why) {
      serve(std::move(one));
      return accept();
    }
    pause_.expires_after(pause_time); // Too many descriptors, most likely.
    pause_.async_wait([this](boost::system::error_code ended) {
      if (!ended)
        accept();
    });
  });
}

void http_broker::serve(tcp::socket one) {
  boost::system::error_code why;
  auto from = one.remote_endpoint(why);
  auto visit = why ? decltype(expected_)::node_type{} : expected_.extract(from.port());
  if (!visit || visit.mapped().until < std::chrono::steady_clock::now())
    return; // Some other process of this machine.
  one.set_option(tcp::no_delay{true}, why);
  asio::co_spawn(
      reactor_,
      welcome(std::make_shared<relay_stream>(std::move(one)), std::move(visit.mapped().what)),
      asio::detached);
}

asio::awaitable<void> http_broker::welcome(std::shared_ptr<relay_stream> guest, http_visit visit) {
  if (visit.origin.secure) {
    auto own = authority();
    if (!own)
      co_return;
    auto context = (*own)->context_for(visit.origin.host);
    if (!context)
      co_return;
    bool accepted = co_await guest->accept_tls(*context, visit.timeout);
    if (!accepted)
      co_return;
  }
  co_await relay_http(std::move(guest), std::move(visit), trust_);
}

} // namespace vivarium
