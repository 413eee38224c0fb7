// SPDX-License-Identifier: Apache-2.0
#include "actors/outbound.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <utility>

namespace vivarium {

namespace {

namespace asio = boost::asio;
using asio::use_awaitable;
using asio::ip::tcp;
using sandbox::endpoint;
using sandbox::ip_address;

constexpr std::size_t most_candidates = 4;

/// A name's addresses; empty when there is none, or none came in time.
asio::awaitable<std::vector<ip_address>> resolve(egress_gate& gate, std::string name,
                                                 clock_type::time_point deadline) {
  struct question {
    explicit question(asio::io_context& reactor) : wait{reactor} {}
    asio::steady_timer wait;
    std::vector<ip_address> found;
  };
  auto one = std::make_shared<question>(gate.reactor);
  one->wait.expires_at(deadline);
  gate.names.find(name, [weak = std::weak_ptr{one}](std::vector<ip_address> found) {
    if (auto there = weak.lock()) {
      there->found = std::move(found);
      there->wait.expires_at(clock_type::time_point::min());
    }
  });
  boost::system::error_code why;
  co_await one->wait.async_wait(asio::redirect_error(use_awaitable, why));
  co_return std::move(one->found);
}

tcp::endpoint to_asio(const endpoint& where) {
  boost::system::error_code ignored;
  return {asio::ip::make_address(where.address.text(), ignored), where.port};
}

status check_all(egress_gate& gate, const outbound_target& to,
                 const std::vector<ip_address>& found) {
  if (found.empty())
    return error{errc::unavailable, "the host " + to.host + " has no address"};
  for (const auto& address : found) {
    if (to.policy == nullptr)
      continue;
    auto how = check_address(*to.policy, {address, to.port}, gate.own_listeners);
    if (how != egress_outcome::connected)
      return error{errc::permission_denied,
                   "the host " + to.host + " leads to an address that "
                       + "must not be reached: " + std::string{name_of(how)}};
  }
  return done{};
}

} // namespace

asio::awaitable<result<unique_fd>> connect_outbound(egress_gate& gate, outbound_target to,
                                                    clock_type::time_point deadline) {
  std::vector<ip_address> found;
  auto fixed = to.policy == nullptr ? nullptr : &to.policy->resolve;
  if (auto address = ip_address::parse(to.host))
    found.push_back(*address);
  else if (fixed != nullptr && fixed->contains(to.host))
    found = fixed->at(to.host);
  else
    found = co_await resolve(gate, to.host, deadline);
  if (auto ok = check_all(gate, to, found); !ok)
    co_return std::move(ok).why();
  if (found.size() > most_candidates)
    found.resize(most_candidates);
  std::string last = "it takes too long";
  for (std::size_t i = 0; i < found.size() && clock_type::now() < deadline; ++i) {
    tcp::socket socket{gate.reactor};
    // The last one has what is left of the time, each before it a fair part.
    auto left = static_cast<std::int64_t>(found.size() - i);
    alarm_clock alarm{socket.get_executor(),
                      clock_type::now() + (deadline - clock_type::now()) / left, [&socket] {
                        boost::system::error_code ignored;
                        socket.close(ignored);
                      }};
    boost::system::error_code why;
    co_await socket.async_connect(to_asio({found[i], to.port}),
                                  asio::redirect_error(use_awaitable, why));
    if (!why && !alarm.rang()) {
      boost::system::error_code ignored;
      socket.set_option(tcp::no_delay{true}, ignored);
      unique_fd out{socket.release(ignored)};
      bool listens_there = std::any_of(gate.own_listeners.begin(), gate.own_listeners.end(),
                                       [&](const endpoint& one) { return one.port == to.port; });
      if (to.policy != nullptr && listens_there && sandbox::leads_here(out.get()))
        co_return error{errc::permission_denied, "that is this daemon itself"};
      co_return std::move(out);
    }
    last = alarm.rang() ? "it does not answer" : why.message();
  }
  co_return error{clock_type::now() < deadline ? errc::unavailable : errc::deadline_exceeded,
                  "cannot connect to " + to.host + ":" + std::to_string(to.port) + ": " + last};
}

void connect_outbound(egress_gate& gate, outbound_target to, clock_type::time_point deadline,
                      std::function<void(result<unique_fd>)> then) {
  auto connect = [](egress_gate& by, outbound_target where, clock_type::time_point until,
                    std::function<void(result<unique_fd>)> tell) -> asio::awaitable<void> {
    tell(co_await connect_outbound(by, std::move(where), until));
  };
  asio::co_spawn(gate.reactor, connect(gate, std::move(to), deadline, std::move(then)),
                 asio::detached);
}

alarm_clock::alarm_clock(const asio::any_io_executor& where, clock_type::time_point at,
                         std::function<void()> then)
    : timer_{where}, then_{std::make_shared<std::function<void()>>(std::move(then))} {
  timer_.expires_at(at);
  timer_.async_wait([rang = rang_, weak = std::weak_ptr{then_}](boost::system::error_code ec) {
    auto fn = weak.lock();
    if (!fn || ec)
      return;
    *rang = true;
    (*fn)();
  });
}

alarm_clock::~alarm_clock() {
  timer_.cancel();
}

} // namespace vivarium
