// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/egress_policy.hpp"
#include "actors/execution.hpp"
#include "actors/http_gate.hpp"
#include "actors/observer.hpp"
#include "actors/resolver.hpp"
#include "actors/worker.hpp"
#include "sandbox/brokered_socket.hpp"
#include "sandbox/family.hpp"

#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace vivarium {

/// What all sessions share on their way out. Lives as long as the actor system.
struct egress_gate {
  explicit egress_gate(boost::asio::io_context& r)
      : reactor{r}, names{r}, fresh{sandbox::look_at_fresh_options()} {}
  boost::asio::io_context& reactor;
  resolver names;
  sandbox::fresh_options fresh;
  std::vector<sandbox::endpoint> own_listeners; ///< Never to be reached from a session.
  http_gate* http = nullptr;                    ///< For sessions with HTTP rules.
};

/// Makes the connections that a session's worker asks for, as far as its policy goes, and counts
/// what goes through them. It holds a duplicate of each connection, so that it can count at any
/// time and end what is over the budget; the worker's closing is noticed within a fraction of a
/// second. The destructor ends all connections. Reactor thread.
class egress_broker : public std::enable_shared_from_this<egress_broker> {
public:
  /// Whom it works for; for metrics and the audit log.
  struct client {
    std::string tenant;
    std::string environment;
    std::string session;
  };
  /// Told when a budget has been used up, each time that something is refused for it.
  using spent_function = std::function<void(cause)>;

  /// `policy`, `gate` and `watch` outlive it.
  egress_broker(egress_gate& gate, observer& watch, client whom, std::string policy_name,
                const egress_policy& policy);
  egress_broker(const egress_broker&) = delete;
  egress_broker& operator=(const egress_broker&) = delete;
  ~egress_broker();

  /// Writes the names of the policy into the worker's /etc/hosts and takes over its calls of
  /// `connect`. Before the worker's first tenant byte.
  status serve(const worker_ptr& by, bool may_fork);
  /// From here on what goes to a server of these rules goes through whoever speaks HTTP. The
  /// certificate that the session has to trust for it is returned; empty when none.
  [[nodiscard]] result<std::string> speak_http(std::shared_ptr<const std::vector<http_rule>> rules);
  void on_spent(spent_function fn) { on_spent_ = std::move(fn); }

  /// Answers a `connect` of the worker, at once or within `connect_timeout`. `request_id`: of the
  /// request whose code connects, as far as that is known, for the record.
  worker::fate connect(const sandbox::caught_call& call, const std::string& request_id);
  /// The soft interrupt was sent: a call of the main thread that stands still returns with that
  /// errno, so that it is heard. Other threads do not hear it and go on waiting.
  void interrupt(int errno_value);
  /// Ends all connections and answers nothing any more.
  void close();

private:
  /// While bytes flow, the counters are read so often.
  static constexpr std::chrono::milliseconds busy_pause{20};

  struct attempt;
  struct connection {
    unique_fd socket;
    std::uint64_t inode = 0;
    pid_t process = 0;
    int likely = 0; // Its number in the process.
    int missed = 0; // Looks in a row that did not find it.
    sandbox::traffic seen;
    std::shared_ptr<visit_life> life; // Of one that the daemon answers itself.
  };
  using attempt_ptr = std::shared_ptr<attempt>;

  const http_rule* rule_for(const std::string& host, std::uint16_t port) const;
  void begin_visit(const attempt_ptr& what, const http_origin& origin);
  http_visit visit_of(const http_origin& origin, const std::shared_ptr<visit_life>& life,
                      const std::string& request_id);
  void begin(const attempt_ptr& what, const std::vector<sandbox::ip_address>& found);
  void await(const attempt_ptr& what);
  void try_next(const attempt_ptr& what);
  void wait(const attempt_ptr& what);
  void look(const attempt_ptr& what);
  void established(const attempt_ptr& what, unique_fd socket);
  void finish(const attempt_ptr& what, egress_outcome how, int errno_value);
  void give_up_interrupted(const attempt_ptr& what, int errno_value, int looks_left);
  void report(egress_outcome how, const std::string& to, const std::string& address,
              const std::string& request_id);
  egress_outcome over_budget() const;
  void spent(egress_outcome how);

  void look_after(std::chrono::milliseconds pause);
  void look_at_connections();
  bool count(connection& one);
  void end_connections();
  using seen_sockets = std::map<pid_t, std::map<std::uint64_t, int>>;
  bool holds(connection& one, seen_sockets& seen);

  egress_gate& gate_;
  observer& watch_;
  client whom_;
  std::string policy_name_;
  const egress_policy& policy_;
  egress_map map_;
  std::shared_ptr<const std::vector<http_rule>> http_rules_; // Null: none.
  std::weak_ptr<worker> worker_;
  sandbox::likely_caller likely_;
  std::optional<sandbox::family> family_; // Where the worker may have children.
  spent_function on_spent_;
  std::list<attempt_ptr> attempts_;
  std::list<connection> connections_;
  boost::asio::steady_timer timer_;
  std::chrono::milliseconds pause_{0}; // Between two looks at the connections.
  bool looking_ = false;               // The timer runs.
  clock_type::time_point log_refused_after_{};
  std::uint64_t connected_ = 0;
  std::uint64_t bytes_ = 0;
};

} // namespace vivarium
