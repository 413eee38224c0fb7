// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/endpoint.hpp"
#include "daemon/listener.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace vivarium {

/// The network side as a whole: listeners, connections, and the coarse clock by which all deadlines
/// of connections are checked (one timer, not one per request). Reactor thread.
class server final : public connection_keeper {
public:
  server(boost::asio::io_context& reactor, service& core, access_rules access, authenticator& auth,
         network_limits limits, metrics& meters, log& journal, tracer& tracing,
         environment_desk& environments, admin_desk& admin);
  ~server() override;

  /// Whether there is /metrics.
  void show_metrics(bool whether) noexcept { endpoint_.show_metrics = whether; }
  /// For requests that come from now on.
  void answer_to(access_rules rules) { endpoint_.access = std::move(rules); }
  /// Connections that are accepted from now on are served with these certificates.
  void serve_with(const std::shared_ptr<boost::asio::ssl::context>& tls);
  /// Adds who takes requests from the API; it has to outlive the server. Before `start`.
  void add_route(streamed_route& route) { endpoint_.routes.push_back(&route); }
  /// Opens one more listener.
  status listen(const listen_address& where, unsigned socket_mode,
                std::shared_ptr<boost::asio::ssl::context> tls);
  void start();
  /// The addresses that the TCP listeners really have.
  [[nodiscard]] std::vector<sandbox::endpoint> endpoints() const;
  /// Keys have changed: who may not be here any more has to go.
  void recheck();

  /// Port of the first TCP listener; 0 when there is none.
  [[nodiscard]] std::uint16_t port() const noexcept;
  [[nodiscard]] std::vector<std::string> names() const;

  /// Accepts no more and tells the clients. Readiness goes away.
  void begin_drain();
  /// Says goodbye to whoever is left; `then` is called when all are gone, or after a short while.
  void finish(std::function<void()> then);

  void on_gone(connection& which) override;
  void on_crowded() override;

private:
  void accept(std::unique_ptr<transport> stream);
  void cannot_accept(const std::string& at, error_code why);
  void sweep();

  boost::asio::io_context& reactor_;
  endpoint endpoint_;
  std::vector<std::unique_ptr<listener>> listeners_;
  std::unordered_map<connection*, std::shared_ptr<connection>> connections_;
  boost::asio::steady_timer clock_;
  std::function<void()> then_;
  int sweeps_left_ = 0;
  bool accepting_ = true;      // false from a failure to accept until a while without one
  bool accept_failed_ = false; // since the last sweep
};

} // namespace vivarium
