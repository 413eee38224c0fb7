// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/app_exchange.hpp"
#include "actors/apps.hpp"
#include "actors/observer.hpp"
#include "actors/settings.hpp"
#include "bridge/app_messages.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace vivarium {

/// Which applications there are, in which sessions they live, and who may ask them. An application
/// that owns its sessions gets a new one for each that ends by itself, but not for ever. Reactor
/// thread.
class app_registry {
public:
  /// What it needs of the service. References outlive it.
  struct surroundings {
    boost::asio::io_context& reactor;
    const settings& config;
    observer& watch;
    std::function<void(const std::string&, session_request, reply<session_info>)> create_session;
    std::function<void(const std::string&, const std::string&)> close_session;
    std::function<void(const std::string&, const std::string&, reply<session_info>)> get_session;
    std::function<void(const std::string&, submission&&, reply<execution_ptr>)> submit;
    std::function<void(const std::string&, const execution_ptr&, std::uint64_t)> pull;
    std::function<void(const std::string&, const execution_ptr&, app_feed)> feed;
    std::function<void(const std::string&, const std::string&)> cancel;
    std::function<bool()> drained; ///< Whether new sessions are refused for now.
  };

  explicit app_registry(surroundings around) : around_{std::move(around)} {}
  app_registry(const app_registry&) = delete;
  app_registry& operator=(const app_registry&) = delete;

  /// Answered when the application can be asked, or cannot be started.
  void boot(const std::string& tenant, app_plan what, const reply<app_info>& to);
  [[nodiscard]] result<app_info> describe(const std::string& tenant,
                                          const std::string& which) const;
  [[nodiscard]] std::vector<app_info> list(const std::string& tenant) const;
  /// Nobody can ask it any more at once; answered when it has shut down.
  void close(const std::string& tenant, const std::string& which, const reply<done>& to);

  /// An application that can be asked, or might soon, by id or by name; null when there is none.
  [[nodiscard]] const app_info* find(const std::string& tenant, const std::string& which) const;
  /// The same of any tenant, by id or by label of a host.
  [[nodiscard]] const app_info* find_id(const std::string& id) const;
  [[nodiscard]] const app_info* find_host(const std::string& label) const;

  /// Asks an application, in the session that has the least to do. `what.app` is filled in. See
  /// `app_exchange` for `on_change`. `trace`: of the execution.
  [[nodiscard]] result<std::shared_ptr<app_exchange>>
  ask(const std::string& id, bridge::app_request what, const std::string& request_id,
      const trace_place& trace, std::function<void()> on_change);

  void on_session_ended(const session_info& info);
  /// Applications are shut down when the requests that they have are answered, and none is started
  /// again.
  void drain();

private:
  struct entry {
    app_info info;
    app_plan plan;
    std::uint64_t number = 0; ///< By which its sessions know it.
    std::size_t making = 0;   ///< Sessions that are being made for it.
    reply<app_info> booted;   ///< Who waits for the first of all of them.
    bool first_boot = true;
    bool closing = false;
    bool shut = false;             ///< It has been asked to shut down.
    std::set<std::string> running; ///< Executions of requests.
    std::deque<clock_type::time_point> restarts;
    clock_type::time_point recycle_after{}; ///< Sessions are not replaced because of age before.
    unsigned failed_boots = 0;              ///< In a row, after the first boot.
    std::unique_ptr<boost::asio::steady_timer> timer;

    [[nodiscard]] bool owns() const noexcept { return plan.session.empty(); }
  };

  // app_boot.cpp
  [[nodiscard]] status check(const std::string& tenant, const app_plan& what) const;
  void boot_worker(const std::string& id);
  void boot_in(const std::string& id, const std::string& session);
  void on_booted(const std::string& id, const std::string& session, const verdict& how);
  void boot_failed(const std::string& id, const std::string& session, error why);
  [[nodiscard]] static std::size_t missing_workers(const entry& app);
  void put_off_recycling(entry& app, const error& why);
  void replace_worker(entry& app);
  void await_circuit(entry& app, std::chrono::milliseconds until);
  void boot_missing_after(entry& app, std::chrono::milliseconds delay);
  void close_in(const std::string& session, const std::shared_ptr<entry>& app,
                std::function<void()> then);

  // app_recycling.cpp
  [[nodiscard]] bool is_due(const app_worker& worker, clock_type::time_point now) const;
  void recycle(entry& app);
  void dismiss_old(const std::shared_ptr<entry>& app);
  void end_leaving(const std::shared_ptr<entry>& app);
  void shut_down(const std::shared_ptr<entry>& app, const reply<done>& to);
  void end_if_drained(const std::shared_ptr<entry>& app);

  // app_registry.cpp
  [[nodiscard]] std::shared_ptr<entry> entry_of(const std::string& tenant,
                                                const std::string& which) const;
  void forget(const entry& app);
  void on_ended(const std::string& id, const std::string& session, const std::string& request,
                const execution& what);
  void let_go(const std::shared_ptr<entry>& app, const std::string& session);
  void on_malformed(const std::string& id, const std::string& request, const execution_ptr& what,
                    const std::string& why);
  void note_failure(entry& app, app_failure what, const std::string& request_id);
  [[nodiscard]] static error no_such_app(const std::string& which);

  surroundings around_;
  std::map<std::string, std::shared_ptr<entry>> apps_;               // by id
  std::map<std::pair<std::string, std::string>, std::string> names_; // tenant and name -> id
  std::map<std::string, std::string> hosts_;                         // label -> id
  std::multimap<std::string, std::string> sessions_;                 // session -> id
  std::uint64_t last_number_ = 0;
  bool draining_ = false;
};

} // namespace vivarium
