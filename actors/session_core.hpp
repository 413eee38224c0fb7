// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/execution.hpp"
#include "actors/load_gauge.hpp"
#include "actors/messages.hpp"
#include "actors/observer.hpp"
#include "actors/service.hpp"
#include "actors/verdicts.hpp"
#include "actors/worker.hpp"

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace vivarium {

/// What a session asks of the world around it. Each function returns at once.
struct session_ports {
  std::function<void()> ask_pool;                              ///< Wants a worker.
  std::function<void()> leave_pool;                            ///< Wants none any more.
  std::function<void(std::uint64_t)> kill;                     ///< Kills a worker.
  std::function<void(std::uint64_t, std::uint64_t)> interrupt; ///< Worker, execution number.
  std::function<void()> watch_input;  ///< Call `on_input` once the worker has something to say.
  std::function<void()> watch_output; ///< Call `on_writable` once its pipe takes bytes.
  std::function<void(clock_type::time_point)> wake_at; ///< Call `on_tick` then, or a little later.
  std::function<void(session_info)> report_end;        ///< The session is dead; said once.
  std::function<void(const execution_ptr&)> report_large; ///< It ended and holds many bytes.
  std::function<void()> stop;                             ///< Nothing is left to do, ever.
};

/// What a session is made from.
struct session_plan {
  session_info info; ///< Id, name and environment; the rest is the session's to fill.
  std::string tenant;
  std::chrono::milliseconds idle_timeout{};
  bool one_shot = false; ///< Ends itself after its first execution.
};

// A session without its mailbox: the state machine
//
//   starting -> ready <-> busy <-> interrupting -> dead
//
// Executions are queued here and sent to the worker ahead of time, a bounded number of them, so
// that one wake-up serves many. The worker runs them in order, except that those which await may
// end later. Each is stopped by its own number, so that a late interrupt never meets the next one.

/// The interpreter actor's memory and decisions. Reactor thread; not reentrant.
class session_core {
public:
  session_core(session_plan plan, const settings& config, observer& watch, load_gauge& load,
               session_ports ports);
  session_core(const session_core&) = delete;
  session_core& operator=(const session_core&) = delete;
  /// Executions that are still open end with an internal error: nobody waits for ever.
  ~session_core();

  void run(const execution_ptr& what, const reply<execution_ptr>& to);
  void cancel(const execution_ptr& what, stop_mode mode, const reply<bool>& to);
  void describe(const reply<session_info>& to);
  /// Ends the session; answered at once, while its processes are being killed.
  void close(const reply<done>& to, std::string_view why);

  void on_granted(worker_ptr worker);
  void on_refused(const error& why);
  void on_input();
  void on_writable();
  /// Sends the worker what has been prepared for it. Called when no message waits for the session
  /// any more, so that one system call serves many requests.
  void flush();
  void on_tick();
  void on_exited(const worker_end& end);
  void on_gone(std::uint64_t worker);

  [[nodiscard]] const session_info& info() const noexcept { return info_; }

private:
  // Why an execution is being stopped.
  enum class stop_reason : std::uint8_t { none, deadline, cpu, cancelled };

  // An execution the worker has been sent and has not answered.
  struct in_flight {
    execution_ptr what;
    clock_type::time_point deadline;
    std::chrono::microseconds cpu_before{};
    std::uint64_t output_seen = 0;
    bool output_cut = false;
    stop_reason stop = stop_reason::none;
    clock_type::time_point force_at{}; // when patience ends, once it is being stopped
    std::string denied_call = {};      // the last system call it was refused
    bool settled = false;              // its verdict has been given, the answer is still to come
  };

  void become_ready();
  void dispatch();
  void send(const execution_ptr& what);
  void start_front();
  void dispatch_expired();
  void interrupt(in_flight& target, stop_reason why);
  void give_up_on(in_flight& target, bool is_front);
  void update_state();
  void update_wake();

  bool handle(const bridge::frame& frame);
  bool handle_output(std::string_view body);
  bool handle_display(std::string_view body);
  bool handle_finished(std::string_view body);
  in_flight* find(std::uint64_t number);
  std::optional<verdict> verdict_from(const in_flight& flight, const bridge::finished& message);
  void stopped_verdict(verdict& out, const in_flight& flight, bool lost) const;
  std::chrono::microseconds cpu_of(const in_flight& flight);
  void complete(in_flight& flight, verdict how);
  void complete_queued(const execution_ptr& what, verdict how);
  void observe_end(const execution& what, const verdict& how);

  void violated(std::string_view what);
  void kill_for(cause why);
  void lose(const cause& why);
  void finish_all(const cause& why);
  void maybe_stop();
  void let_go();
  void leave_pool();
  void on_denied(const sandbox::denied_call& call);

  session_info info_;
  std::string tenant_;
  std::chrono::milliseconds idle_timeout_;
  bool one_shot_;
  const settings& config_;
  observer& watch_;
  load_gauge& load_;
  session_ports ports_;

  worker_ptr worker_;
  std::uint64_t worker_number_ = 0; // also after the worker object has gone; 0: never had one
  bool worker_gone_ = false;
  bool channel_closed_ = false;
  std::optional<worker_end> end_;
  std::optional<cause> death_;       // decided by us, before the reaper says how it went
  clock_type::time_point reap_by_{}; // after the channel closed: how long to wait for the reaper

  std::deque<execution_ptr> waiting_;
  std::deque<in_flight> sent_;
  std::uint64_t next_number_ = 1;
  clock_type::time_point asked_for_worker_ = clock_type::now();
  clock_type::time_point idle_since_ = clock_type::now();
  clock_type::time_point wake_armed_ = clock_type::time_point::max();
  std::chrono::microseconds last_cpu_{};   // as it was read last
  std::chrono::microseconds cpu_unread_{}; // at most used since, by executions too short to look
  bool unflushed_ = false;
  clock_type::time_point denial_log_after_{};

  std::vector<reply<session_info>> describing_;
  bool reported_ = false;
};

} // namespace vivarium
