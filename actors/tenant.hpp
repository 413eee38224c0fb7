// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/allowance.hpp"
#include "actors/code_store.hpp"
#include "actors/environment_book.hpp"
#include "actors/interfaces.hpp"
#include "actors/session.hpp"
#include "actors/sql_pool.hpp"
#include "actors/volume_store.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

namespace vivarium {

/// What a tenant is made from. References outlive the actor system.
struct tenant_plan {
  boost::asio::io_context& reactor;
  const settings& config;
  observer& watch;
  load_gauge& load;
  resource_watch& workers;
  heartbeats& beats;
  cgroup_keeper* cgroups; ///< Null where there are none.
  cpu_shares* shares;     ///< Null where there is nothing to share.
  egress_gate& gate;
  switchboard& functions;
  mailboxes& mail;
  std::shared_ptr<file_threads> files;
  volume_store& volumes;
  key_value_store& store;
  sql_gate& databases;
  std::string name;
  allowance& quotas;
  std::function<std::string()> group; ///< Its trust group, as it is now.
  const environment_book& environments;
  /// The pool of an environment and trust group.
  std::function<pool_actor(const environment_ref&, const std::string&)> pool;
  /// Refuses when there are too many pools to have that one, too.
  std::function<status(const environment_ref&, const std::string&)> admit_pool;
  /// Lets a session ask that pool for a worker, or says why there would be none.
  std::function<result<circuit::pass>(const environment_ref&, const std::string&)> enter_pool;
  /// One of its session pools, or why there is none of that name.
  std::function<result<runner_actor>(const std::string&)> session_pool;
  /// Where a function is routed to: name of a session pool, or nothing.
  std::function<std::string(const std::string&)> route;
  /// Told of each session that has ended.
  std::function<void(const session_info&)> session_ended;
  /// Another tenant, for what only that one keeps.
  std::function<caf::actor(const std::string&)> other;
  /// Whether new sessions are refused for now.
  std::function<bool()> drained;
};

// A tenant is where every look-up happens, so that nothing of another tenant can be found. It knows
// its live sessions, the tombstones of dead ones, and the executions that can still be followed.

/// The tenant's memory and decisions; the actor `tenant` is its mailbox. Reactor thread.
class tenant_core {
public:
  tenant_core(tenant_plan plan, caf::scheduled_actor* self);
  tenant_core(const tenant_core&) = delete;
  tenant_core& operator=(const tenant_core&) = delete;
  /// Ends its sessions: they do not outlive it.
  ~tenant_core();

  void submit(submission&& what, const reply<execution_ptr>& to);
  void compile(submission what, const reply<compiled>& to);
  /// Keeps compiled source and returns its handle.
  std::string keep(code_store::code what) { return codes_.put(std::move(what)); }
  void find(const std::string& id, const reply<execution_ptr>& to);
  void cancel(const std::string& id, const reply<bool>& to);
  void pull(const execution_ptr& what, std::uint64_t credit);
  void feed(const execution_ptr& what, app_feed more);
  void abandoned(const execution_ptr& what);
  void list_executions(const std::string& session, const reply<std::vector<execution_info>>& to);

  void create(const session_request& what, const reply<session_info>& to);
  /// Creates a session that belongs to a session pool and that nobody else knows.
  void create_member(session_request what, const reply<session_actor>& to);
  void describe(const std::string& session, const reply<session_info>& to);
  void list_sessions(const reply<std::vector<session_info>>& to);
  void close(const std::string& session, bool discard, const reply<done>& to);
  void files(const std::string& session, const reply<session_files_ptr>& to);
  void commit(const std::string& session, const std::string& volume, bool force,
              const reply<volume_info>& to);

  void create_namespace(const namespace_request& what, const reply<namespace_info>& to);
  void destroy_namespace(const std::string& session, const std::string& which,
                         const reply<done>& to);
  void list_namespaces(const std::string& session, const reply<std::vector<namespace_info>>& to);
  void memory(const std::string& session, const reply<worker_memory>& to);
  void release_owner(std::uint64_t owner);

  // For administrators, tenant_overview.cpp.
  void overview(const overview_part& what, const reply<std::vector<session_overview>>& to) const;
  void overview(const overview_part& what, const reply<std::vector<execution_overview>>& to) const;
  void stop(const std::string& id, stop_mode how, const reply<bool>& to);
  void end_session(const std::string& session, stop_mode how, const reply<done>& to);

  void on_ended(const session_info& info);
  void on_down(const caf::actor_addr& who);
  void on_large(const execution_ptr& what);
  void on_tick();
  void drain(clock_type::time_point deadline, std::function<void()> then);

private:
  [[nodiscard]] result<environment_ref> find_environment(const std::string& name) const;

  // Of executions whose workers do not have them yet; they take themselves off it.
  byte_charge::sum waiting_bytes_ = std::make_shared<std::size_t>(0);
  struct live_session {
    session_actor handle;
    session_info info; // as it was created
    bool one_shot = false;
    bool member = false; // of a session pool
    bool of_app = false; // an application's own
    // How often it was told to close: once when it is idle, once more when time is over.
    unsigned told_to_close = 0;
    quota_hold place;
    quota_hold memory;
    std::deque<execution_ptr> executions; // oldest first
  };
  struct known_execution {
    execution_ptr what;
    runner_actor where;
  };

  live_session* find_session(const std::string& id_or_name);
  error no_such_session(const std::string& id_or_name) const;
  result<live_session*> open(session_request wish, bool one_shot);
  std::shared_ptr<session_capabilities> capabilities_of(const session_plan& order);
  result<live_session*> place(const submission& what);
  status complete(submission& what);
  [[nodiscard]] std::chrono::milliseconds longest() const;
  [[nodiscard]] result<std::chrono::milliseconds> deadline_of(const submission& what) const;
  execution_ptr remember(live_session& where, submission&& what);
  result<runner_actor> find_pool(submission& what);
  void forget_old(std::deque<execution_ptr>& list, std::size_t keep, clock_type::time_point before);
  void tidy_orphans();
  void tidy_executions();
  void bury(const session_info& info);
  void drain_step();
  void tick_in(clock_type::duration delay);

  tenant_plan plan_;
  caf::scheduled_actor* self_;
  boost::asio::steady_timer timer_;

  std::unordered_map<std::string, live_session> sessions_; // by id
  std::unordered_map<std::string, std::string> names_;     // name -> id, live ones
  std::unordered_map<caf::actor_addr, std::string> addresses_;
  std::unordered_map<std::string, session_info> tombs_;     // by id
  std::unordered_map<std::string, std::string> tomb_names_; // name -> id, the latest
  std::deque<std::string> tomb_order_;

  std::unordered_map<std::string, known_execution> executions_; // by id
  std::deque<execution_ptr> orphans_; // ended ones whose session has ended, too
  std::deque<execution_ptr> large_;   // ended ones that hold much
  std::size_t large_bytes_ = 0;
  code_store codes_;
  std::shared_ptr<session_starts> starts_;
  // Sessions in which a connection owns something, or which it owns itself.
  std::unordered_map<std::uint64_t, std::set<std::string>> owners_;

  [[nodiscard]] const tenant_settings& may() const;

  bool draining_ = false;
  clock_type::time_point drain_deadline_{};
  std::function<void()> drained_;
};

/// Memory of the tenant actor.
struct tenant_actor_state {
  static inline const char* name = "tenant";
  std::optional<tenant_core> core;
};

/// The tenant actor.
tenant_actor::behavior_type tenant(tenant_actor::stateful_pointer<tenant_actor_state> self,
                                   tenant_plan plan);

} // namespace vivarium
