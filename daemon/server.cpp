// SPDX-License-Identifier: Apache-2.0
#include "daemon/server.hpp"

#include "daemon/http_session.hpp"

#include <boost/asio/post.hpp>

#include <utility>

namespace vivarium {

namespace {

constexpr std::chrono::seconds sweep_interval{1};
constexpr int sweeps_for_goodbye = 3;

} // namespace

server::server(boost::asio::io_context& reactor, service& core, access_rules access,
               authenticator& auth, network_limits limits, metrics& meters, log& journal,
               tracer& tracing, environment_desk& environments, admin_desk& admin)
    : reactor_{reactor}, endpoint_{side_thread{reactor.get_executor()},
                                   {core, reactor.get_executor(), endpoint_.aside, &environments,
                                    &admin},
                                   std::move(access),
                                   auth,
                                   turns{reactor.get_executor()},
                                   limits,
                                   meters,
                                   journal,
                                   tracing,
                                   http_date(std::time(nullptr)),
                                   {}},
      clock_{reactor} {}

server::~server() {
  clock_.cancel();
  for (auto& l : listeners_)
    l->stop();
  auto left = std::exchange(connections_, {});
  for (auto& [key, c] : left)
    c->close();
}

status server::listen(const listen_address& where, unsigned socket_mode,
                      std::shared_ptr<boost::asio::ssl::context> tls) {
  auto opened = listener::open(reactor_, where, socket_mode, std::move(tls));
  if (!opened)
    return std::move(opened).why();
  listeners_.push_back(*std::move(opened));
  return done{};
}

void server::serve_with(const std::shared_ptr<boost::asio::ssl::context>& tls) {
  for (auto& l : listeners_)
    l->serve_with(tls);
}

void server::start() {
  for (auto& l : listeners_)
    l->start([this](std::unique_ptr<transport> stream) { accept(std::move(stream)); },
             [this, at = l->name()](error_code why) { cannot_accept(at, why); });
  sweep();
}

std::vector<sandbox::endpoint> server::endpoints() const {
  std::vector<sandbox::endpoint> out;
  for (const auto& l : listeners_)
    if (auto address = sandbox::ip_address::parse(l->host()); address && l->port() != 0)
      out.push_back({*address, l->port()});
  return out;
}

void server::recheck() {
  auto all = connections_; // It may end connections.
  for (auto& [key, c] : all)
    c->recheck();
}

std::uint16_t server::port() const noexcept {
  for (const auto& l : listeners_)
    if (l->port() != 0)
      return l->port();
  return 0;
}

std::vector<std::string> server::names() const {
  std::vector<std::string> out;
  for (const auto& l : listeners_)
    out.push_back(l->name());
  return out;
}

// One line for the whole spell: it may last, and near the limit every other attempt succeeds.
void server::cannot_accept(const std::string& at, error_code why) {
  endpoint_.meters.accept_failed();
  accept_failed_ = true;
  if (std::exchange(accepting_, false))
    endpoint_.journal.error("cannot accept connections, will keep trying",
                            {{"address", at},
                             {"detail", why.message()},
                             {"connections", static_cast<std::int64_t>(connections_.size())}});
}

void server::accept(std::unique_ptr<transport> stream) {
  if (connections_.size() >= endpoint_.limits.max_connections) {
    endpoint_.meters.connection_refused();
    stream->close();
    return;
  }
  endpoint_.meters.connection_opened();
  connection::bounds limits;
  limits.handshake = endpoint_.limits.header_timeout;
  limits.write = endpoint_.limits.write_timeout;
  limits.arriving_bytes = endpoint_.limits.arriving_bytes;
  limits.unsent_bytes = endpoint_.limits.unsent_bytes;
  auto made = std::make_shared<connection>(reactor_.get_executor(), std::move(stream), limits,
                                           endpoint_.limits.marks, endpoint_.meters.bytes(), *this);
  connections_.emplace(made.get(), made);
  made->start(std::make_shared<http_session>(*made, endpoint_));
}

void server::on_gone(connection& which) {
  auto found = connections_.find(&which);
  if (found == connections_.end())
    return;
  endpoint_.meters.connection_closed();
  // It may be in the middle of something that led to its end.
  boost::asio::post(reactor_, [kept = std::move(found->second)] {});
  connections_.erase(found);
  if (connections_.empty() && then_)
    boost::asio::post(reactor_, std::exchange(then_, nullptr));
}

void server::on_crowded() {
  connection* worst = nullptr;
  auto since = clock_type::time_point::max();
  for (auto& [key, one] : connections_)
    if (one->stalled_since() < since) {
      worst = key;
      since = one->stalled_since();
    }
  if (worst != nullptr)
    worst->close();
}

void server::sweep() {
  endpoint_.date = http_date(std::time(nullptr));
  auto now = clock_type::now();
  endpoint_.auth.look();
  std::vector<std::shared_ptr<connection>> all; // A sweep may end connections.
  all.reserve(connections_.size());
  for (auto& [key, c] : connections_)
    all.push_back(c);
  for (auto& c : all)
    c->sweep(now);
  if (!std::exchange(accept_failed_, false) && !std::exchange(accepting_, true))
    endpoint_.journal.info("connections are accepted again");
  if (then_ && --sweeps_left_ <= 0) {
    for (auto& c : all)
      c->close();
    if (then_)
      boost::asio::post(reactor_, std::exchange(then_, nullptr));
  }
  clock_.expires_after(sweep_interval);
  clock_.async_wait([this](const boost::system::error_code& stopped) {
    if (!stopped)
      sweep();
  });
}

void server::begin_drain() {
  endpoint_.draining = true;
  for (auto& l : listeners_)
    l->stop();
  auto all = connections_;
  for (auto& [key, c] : all)
    c->stop(stopping::soon);
}

void server::finish(std::function<void()> then) {
  sweeps_left_ = sweeps_for_goodbye;
  then_ = std::move(then);
  auto all = connections_;
  for (auto& [key, c] : all)
    c->stop(stopping::now);
  if (connections_.empty() && then_)
    boost::asio::post(reactor_, std::exchange(then_, nullptr));
}

} // namespace vivarium
