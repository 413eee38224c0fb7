// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/affinity_table.hpp"
#include "actors/execution.hpp"
#include "actors/fair_queue.hpp"
#include "actors/messages.hpp"
#include "actors/observer.hpp"
#include "actors/service.hpp"
#include "actors/verdicts.hpp"

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace vivarium {

// A session pool is a name for equal sessions that are there for calls which need no state. It is
// not a worker pool (pool.hpp), which keeps sealed processes for the sessions of everybody: a
// session pool asks its tenant for sessions, and those get their workers like all others.
//
// An execution goes to a session that is free, round robin, and has it for itself until its
// verdict. Where none is free it waits, each tenant in a line of its own; its deadline counts
// meanwhile. With a key it goes to the session that had that key last, if it can, or strictly.
//
// A session that is too old, or has run too much, is replaced once it is free and another one is
// there in its place; not while strict keys stand for it.

/// What a session pool asks of the world around it. Each function returns at once. Sessions have
/// numbers, which are never used again.
struct session_pool_ports {
  /// Wants a session; `on_ready` or `on_failed` follows, and in any case one day `on_lost`.
  std::function<void(std::uint64_t)> start;
  /// Gives an execution to a session; `on_done` follows when it has ended, or `on_turned_away`.
  std::function<void(std::uint64_t, const execution_ptr&)> run;
  std::function<void(std::uint64_t, const execution_ptr&, stop_mode, const reply<bool>&)> cancel;
  std::function<void(std::uint64_t, const execution_ptr&, std::uint64_t)> pull;
  std::function<void(std::uint64_t)> close;            ///< Ends a session.
  std::function<void(clock_type::time_point)> wake_at; ///< Call `on_tick` then, or a little later.
  std::function<void()> stop; ///< Nothing is left to do, ever: it was closed.
};

/// The session pool's memory and decisions, without its mailbox. Reactor thread; not reentrant.
class session_pool_core {
public:
  session_pool_core(session_pool_plan plan, observer& watch, session_pool_ports ports);
  session_pool_core(const session_pool_core&) = delete;
  session_pool_core& operator=(const session_pool_core&) = delete;
  /// What still waits ends with an internal error; its sessions are closed.
  ~session_pool_core();

  void run(const execution_ptr& what, const reply<execution_ptr>& to);
  void cancel(const execution_ptr& what, stop_mode mode, const reply<bool>& to);
  void pull(const execution_ptr& what, std::uint64_t credit);
  [[nodiscard]] session_pool_info describe() const;
  /// Ends the pool: what waits is refused, its sessions are closed.
  void close();
  /// No more executions come; its sessions are closed when those that it has are through.
  void drain();

  void on_ready(std::uint64_t number);
  void on_failed(std::uint64_t number, const error& why);
  void on_done(std::uint64_t number, const execution_ptr& what);
  /// The session had ended before it could begin that execution.
  void on_turned_away(std::uint64_t number, const execution_ptr& what);
  void on_lost(std::uint64_t number);
  void on_tick(clock_type::time_point now = clock_type::now());

private:
  struct member {
    bool ready = false;
    execution_ptr running;
    clock_type::time_point ordered{};
    clock_type::time_point begun{};    // what is running
    std::deque<execution_ptr> waiting; // for this one and no other
    bool own_turn = true;              // whether those come before the others this time
    clock_type::time_point since{};    // when it became ready
    std::uint64_t done = 0;            // executions
  };
  using members = std::map<std::uint64_t, member>;

  static const std::string& party_of(const execution& what) noexcept {
    return what.request().charged_to;
  }
  void place(const execution_ptr& what, const reply<execution_ptr>& to);
  void assign(members::iterator to, const execution_ptr& what);
  void next_for(members::iterator free);
  execution_ptr pop_for(members::iterator free);
  void wait(std::deque<execution_ptr>* own, const execution_ptr& what,
            const reply<execution_ptr>& to);
  void leave_line(const execution_ptr& what);
  void fail(const execution_ptr& what, errc code, error_kind kind, const std::string& text,
            std::optional<cause> why = std::nullopt);
  void refuse(const execution_ptr& what, const reply<execution_ptr>& to, error why,
              error_kind kind);
  void fail_all_waiting(errc code, error_kind kind, const std::string& text);
  void forget(members::iterator gone, bool expected);
  void fill(clock_type::time_point now);
  void hold_off(clock_type::time_point now, std::string why);
  void settle();

  // session_pool_recycling.cpp
  [[nodiscard]] bool is_due(const members::value_type& each, clock_type::time_point now) const;
  bool give_up(members::iterator one, clock_type::time_point now);
  void recycle(clock_type::time_point now);
  [[nodiscard]] clock_type::time_point next_due(clock_type::time_point now) const;

  [[nodiscard]] std::chrono::milliseconds retry_after() const;
  void tell_level();
  void count(std::string_view outcome) { watch_.session_pool_call(label_, outcome); }

  session_pool_plan plan_;
  observer& watch_;
  session_pool_ports ports_;
  session_pool_label label_;

  members members_;
  std::deque<std::uint64_t> free_; // the first is the next
  fair_queue<execution_ptr> anybody_;
  // Everything that waits, in whatever line, and until when.
  std::unordered_map<execution_ptr, clock_type::time_point> lines_;
  std::unordered_map<std::string, std::size_t> parties_; // how many of whom wait
  affinity_table keys_;

  struct level {
    std::int64_t ready = 0;
    std::int64_t busy = 0;
    std::int64_t waiting = 0;
  };
  level told_;
  std::uint64_t last_number_ = 0;
  std::uint64_t calls_ = 0;
  std::uint64_t replaced_ = 0;
  std::chrono::microseconds usual_{10'000}; // that an execution takes
  std::chrono::milliseconds pause_{0};      // before the next start, after failures
  clock_type::time_point start_at_{};
  clock_type::time_point failed_at_{}; // when the latest failure was
  std::size_t early_ends_ = 0;         // in a row, of sessions that had hardly begun
  clock_type::time_point wake_armed_ = clock_type::time_point::max();
  std::string trouble_; // why the latest start failed; empty when it did not
  bool draining_ = false;
  bool closed_ = false;
};

} // namespace vivarium
