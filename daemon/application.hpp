// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/admin_desk.hpp"
#include "daemon/app_ingress.hpp"
#include "daemon/certificates.hpp"
#include "daemon/config.hpp"
#include "daemon/environment_desk.hpp"
#include "daemon/metrics_upkeep.hpp"
#include "daemon/options.hpp"
#include "daemon/reload.hpp"
#include "daemon/server.hpp"
#include "daemon/state_lock.hpp"
#include "daemon/tracer.hpp"
#include "daemon/wall_clock.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

namespace vivarium {

class file_route;
class http_broker;
class span_exporter;

/// Returns the configuration that the command line asks for. `invalid_argument` with all problems.
[[nodiscard]] result<config> load(const options& chosen);

/// The daemon while it serves: it owns the reactor and all that runs on it, and it is the one who
/// reacts to signals. SIGTERM and SIGINT drain, the second one ends at once, SIGHUP reloads what
/// can be reloaded.
class application {
public:
  application(options chosen, config with);
  ~application();

  /// Serves until it is told to stop. Returns why it could not.
  [[nodiscard]] status run();
  /// See `reload_function`; what came of it is in the log, too.
  result<reload_report> reload();

private:
  status lock_state();
  status open_doors();
  status open_listeners();
  /// Null when there are none and none are asked for.
  result<std::unique_ptr<sandbox::cgroup_tree>> open_cgroups();
  [[nodiscard]] std::vector<std::string> addresses(status& why) const;
  void announce_when_ready();
  void say_alive(std::chrono::microseconds every);
  void wait_for_signals();
  void on_signal(int number);
  result<reload_report> take_over();
  [[nodiscard]] status check_names(const config& fresh) const;
  void see_to_things();
  void end_watches();
  void drain();
  void stop();

  options options_;
  config config_;
  log journal_;
  audit_log book_;
  metrics meters_{book_};
  tracer tracing_{config_.tracing};
  upkeep_metrics upkeep_;
  std::optional<state_lock> lock_;
  clock_watch clock_{read_clocks()};
  boost::asio::io_context reactor_{1};
  std::unique_ptr<span_exporter> exporter_; // Null when nothing is traced.
  std::unique_ptr<http_broker> broker_;
  std::unique_ptr<service> core_;
  std::unique_ptr<environment_desk> environments_;
  std::unique_ptr<admin_desk> admin_;
  std::unique_ptr<authenticator> auth_;
  std::unique_ptr<file_route> files_;
  std::unique_ptr<app_ingress> ingress_;
  std::unique_ptr<server> server_;
  std::unique_ptr<certificates> certificates_; // null where there is no TLS
  certificates::context tls_;                  // what listeners begin with
  boost::asio::signal_set signals_{reactor_};
  boost::asio::steady_timer poll_{reactor_};
  boost::asio::steady_timer watchdog_{reactor_};
  boost::asio::steady_timer pulse_{reactor_};
  status outcome_ = done{};
  bool draining_ = false;
  bool stopped_ = false; // What is still queued finds nothing to work on.
};

} // namespace vivarium
