// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/cpu_shares.hpp"
#include "actors/egress_broker.hpp"
#include "actors/execution.hpp"
#include "actors/heartbeats.hpp"
#include "actors/load_gauge.hpp"
#include "actors/mailboxes.hpp"
#include "actors/messages.hpp"
#include "actors/namespace_table.hpp"
#include "actors/observer.hpp"
#include "actors/resource_watch.hpp"
#include "actors/service.hpp"
#include "actors/session_files.hpp"
#include "actors/session_starts.hpp"
#include "actors/switchboard.hpp"
#include "actors/verdicts.hpp"
#include "actors/worker.hpp"

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
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
  /// A broker for its connections to the outside.
  std::function<std::shared_ptr<egress_broker>(egress_broker::client, const std::string&,
                                               const egress_policy&)>
      open_gate;
  std::function<void(session_info)> report_end;           ///< The session is dead; said once.
  std::function<void(const execution_ptr&)> report_large; ///< It ended and holds many bytes.
  std::function<void()> stop;                             ///< Nothing is left to do, ever.
  /// Gives the worker's files another size; `on_resized` follows.
  std::function<void(std::uint64_t, std::uint64_t, std::uint32_t)> resize;
  /// Watches the worker for as long as the ticket lives; `on_beyond` may follow.
  std::function<void(const resource_watch::ticket&)> watch;
  /// Has the worker share the processors as its tenant may; with `true` it may have processes. Null
  /// where there is nobody to share them with.
  std::function<std::shared_ptr<cpu_user>(worker&, bool)> share_cpu;
  /// Puts the worker into a control group; `on_placed` follows. Null where there are none.
  std::function<void(const std::string&, const sandbox::cgroup_limits&, pid_t)> enter_cgroup;
  std::function<void(std::string)> leave_cgroup; ///< Ends what is in it, and removes it.
  /// Hands a call with that number of the worker's to the application; `on_answered` follows. The
  /// number 0 is a cast's. Returns the id that clients know the call by.
  std::function<result<std::string>(switchboard::caller, function_call, std::uint64_t)> call_host;
  std::function<void(const std::string&)> drop_call; ///< Nobody waits for that call any more.
  /// Gives the daemon itself a call with that number of the worker's, by name and operands;
  /// `on_answered` follows, unless what is returned has gone before.
  std::function<std::shared_ptr<void>(std::string_view, std::string_view, std::uint64_t,
                                      std::chrono::milliseconds)>
      use_capability = nullptr;
  /// Opens the session's mailbox under those names; `on_mail` follows when a message waits.
  std::function<result<mailbox_ptr>(std::vector<std::string>)> open_mailbox = nullptr;
  /// Sends a message to a name: an encoded, validated Value.
  std::function<result<std::uint64_t>(const std::string&, std::string)> publish = nullptr;
  /// Has the session go on with something, in its turn; dropped when it is no more.
  std::function<void(session_step)> resume = nullptr;
  /// Opens the files of its worker.
  std::function<result<session_files_ptr>(worker&, const session_limits&)> open_files = nullptr;
  /// Copies a volume into its files; writes that copy back.
  std::function<void(const volume_mount&, session_files_ptr, reply<volume_mount>)> attach_volume =
      nullptr;
  std::function<void(const volume_mount&, session_files_ptr, bool, reply<volume_info>)>
      commit_volume = nullptr;
  /// Has its worker asked whether it lives, for as long as the session holds the pulse.
  std::function<void(const std::shared_ptr<pulse>&)> beat = nullptr;
  start_watch_ptr start = nullptr; ///< Told how its start goes; may be null.
};

/// What a session is made from.
struct session_plan {
  session_info info; ///< Id, name and environment; the rest is the session's to fill.
  std::string tenant;
  session_request wish;  ///< What the client asked for; its idle timeout is set.
  bool one_shot = false; ///< Ends itself after its first execution.
  std::shared_ptr<const environment_settings> environment;
  std::string label; ///< Of the environment, for metrics.
};

// A session without its mailbox: the state machine
//
//   starting -> ready <-> busy <-> interrupting -> dead
//
// Executions are queued here (waiting_) and sent to the worker ahead of time, a bounded number of
// them, so that one wake-up serves many. Those the worker has been sent stand in sent_ in the order
// in which it takes them up: the front is the one that has the interpreter. One that has begun and
// waits (for an event of its asyncio loop, for the client to want more of its stream) is parked_
// until it ends or, a stream, until its next round stands in line like a new request. Each is
// stopped by its own number, so that a late interrupt never meets the next one.
//
// The daemon's own business with the worker (a session's settings, its init script, its namespaces)
// travels as executions as well, internal ones; those of the start go before everything else.

/// The interpreter actor's memory and decisions. Reactor thread; not reentrant.
class session_core : private heart {
public:
  session_core(session_plan plan, const settings& config, observer& watch, load_gauge& load,
               session_ports ports);
  session_core(const session_core&) = delete;
  session_core& operator=(const session_core&) = delete;
  /// Executions that are still open end with an internal error: nobody waits for ever.
  ~session_core() override;

  void run(const execution_ptr& what, const reply<execution_ptr>& to);
  void cancel(const execution_ptr& what, stop_mode mode, const reply<bool>& to);
  /// Orders a round of a stream; 0 ends it in order.
  void pull(const execution_ptr& what, std::uint64_t credit);
  /// Passes on more of a request to an application.
  void feed(const execution_ptr& what, app_feed more);
  /// Answers at once, or once the session has started or failed to.
  void describe(bool when_started, const reply<session_info>& to);
  void create_namespace(const namespace_request& what, const reply<namespace_info>& to);
  void destroy_namespace(const std::string& id_or_name, const reply<done>& to);
  void list_namespaces(const reply<std::vector<namespace_info>>& to);
  void memory(const reply<worker_memory>& to);
  /// A connection is gone: what it owned ends.
  void release_owner(std::uint64_t owner);
  /// Ends the session; answered at once, while its processes are being killed.
  void close(const reply<done>& to, std::string_view why);

  /// Gives the session's files, once it has started.
  void files(const reply<session_files_ptr>& to);
  void commit_volume(const std::string& volume, bool force, const reply<volume_info>& to);
  /// Closes the session after its volumes have been written back.
  void commit_and_close(const reply<done>& to);
  /// Closes the session in that order, or kills it.
  void end_by_administrator(stop_mode how, const reply<done>& to);

  void on_granted(worker_ptr worker);
  void on_refused(const error& why);
  /// The worker's files have their size; 0, or the errno why not.
  void on_resized(int errno_value);
  /// The worker is in its control group, which is that folder; or why it is not.
  void on_placed(const std::string& folder, const error& why);
  /// The worker took more than it may.
  void on_beyond(const cause& why);
  /// The application has answered the call with that number.
  void on_answered(std::uint64_t call, const function_answer& with);
  /// A message waits in the session's mailbox.
  void on_mail();
  void on_input();
  void on_writable();
  /// Sends the worker what has been prepared for it. Called when no message waits for the session
  /// any more, so that one system call serves many requests.
  void flush();
  /// Looks at what is due at `now`.
  void on_tick(clock_type::time_point now = clock_type::now());
  void on_exited(const worker_end& end);
  void on_gone(std::uint64_t worker);

  [[nodiscard]] const session_info& info() const noexcept { return info_; }

private:
  // Why an execution is being stopped.
  enum class stop_reason : std::uint8_t { none, deadline, idle, cpu, cancelled };

  // A round of a stream that was ordered, see bridge::pull.
  struct round {
    std::uint64_t credit; // what is left of it
    std::uint64_t place;
  };
  // An execution the worker has been sent and has not answered.
  struct in_flight {
    execution_ptr what;
    clock_type::time_point deadline;
    std::chrono::microseconds cpu_before{};
    std::chrono::microseconds cpu_used = {}; // before it was parked
    std::uint64_t output_seen = 0;
    bool output_cut = false;
    std::uint64_t peak_before = 0; // of the worker, as far as it was read
    std::uint64_t display_bytes = 0;
    std::uint64_t displays = 0; // shown; what is over the limit is dropped
    std::uint64_t displays_dropped = 0;
    stop_reason stop = stop_reason::none;
    clock_type::time_point force_at{}; // when patience ends, once it is being stopped
    std::optional<cause> denied = {};  // what it was refused last
    bool settled = false;              // its verdict has been given, the answer is still to come
    bool asynchronous = false;         // it has said that it waits: it is parked
    std::chrono::nanoseconds loop_before{}; // loop_share_ when it was parked
    bool ending = false;                    // a stream that was told to end
    std::uint64_t place = 0;                // in the order in which the worker takes things up
    clock_type::time_point running_since{};
    std::vector<round> rounds = {};       // of a stream: ordered and not over
    std::uint64_t round_bytes = 0;        // that the present round has brought
    clock_type::time_point round_since{}; // when its last item came, or it was ordered
  };
  // A call to the application that waits for its answer.
  struct open_call {
    std::string id;
    std::uint64_t execution = 0;
    clock_type::time_point since;
    clock_type::time_point deadline;
    bool blocking = false;                      // the worker's main thread waits for it
    bool mail = false;                          // for a message, and not for the application
    std::shared_ptr<void> capability = nullptr; // answered by the daemon; null: not so
    std::string name = {};                      // of one that is recorded
    trace_place trace = {};
  };
  using verdict_function = std::function<void(const verdict&)>;

  // An execution that has the session to itself, and whose effect on the files is looked at.
  struct tracked_run {
    // Looking at the files before; it can be sent; the worker has it; what is buffered in open
    // files is being written; looking at the files after it.
    enum class phase : std::uint8_t { before, ready, running, flushing, after };
    execution_ptr what;
    phase now = phase::before;
    std::uint64_t number = 0;
    std::shared_ptr<const sandbox::tree_snapshot> seen = nullptr; // unless it is a transaction
    std::shared_ptr<const sandbox::tree_backup> copy = nullptr;
    std::optional<verdict> how = std::nullopt; // once it has ended; absent when it was told already
    bool failed = false;
  };

  // session_core.cpp: requests, and the worker's life.
  void become_ready();
  void violated(std::string_view what);
  void kill_for(const cause& why);
  void lose(const cause& why);
  void maybe_stop();
  void let_go();
  void leave_pool();
  void on_denied(const sandbox::denied_call& call);
  worker::fate on_call(const sandbox::caught_call& call);
  status open_egress();
  void interrupt_connect(const in_flight& target);
  bool may_fork_now();
  in_flight* to_blame() noexcept;
  /// Id of the request that it is for; empty when there is none.
  std::string blamed_request();

  // session_specialise.cpp: a worker is given the limits of its session.
  void specialise();
  void specialised();
  void on_late_start();
  void cannot_specialise(const error& why);
  void watch_worker();

  // session_health.cpp: whether its worker lives, and whose fault it is that it does not.
  [[nodiscard]] bool owes() const override;
  [[nodiscard]] std::uint64_t heard() const override;
  [[nodiscard]] std::optional<std::chrono::microseconds> beaten() const override;
  void ask() override;
  bool handle_pong(std::string_view body);
  void stopped(cause why) override;
  void judge_start(const cause& why);
  [[nodiscard]] bool is_environments_fault(const cause& why) const;
  void prove_start();
  void watch_family();
  [[nodiscard]] std::optional<std::chrono::microseconds> cpu_used() const;
  [[nodiscard]] cause cause_of_end(const worker_end& end) const;

  // session_truth.cpp: limits that Python met, seen from outside.
  void explain(verdict& how, const in_flight& flight);
  [[nodiscard]] std::uint64_t peak_memory();
  [[nodiscard]] std::string hint_for(std::string_view text) const;

  // session_setup.cpp: the daemon's own business with the worker.
  void begin_setup();
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> variables_of_grants() const;
  void step_setup();
  void setup_failed(const verdict& how);
  execution_ptr order(submission what, verdict_function then);
  void order_now(bridge::run_mode mode, std::string operands, verdict_function then);
  result<std::string> operands_for(const namespace_request& what, std::uint64_t number) const;
  void drop_namespace(std::uint64_t number);
  void leave_contexts_and_close();
  status complete(execution& what);

  // session_volumes.cpp: what is in its workspace from the start, and what outlives it.
  [[nodiscard]] result<session_files_ptr> open_files();
  void furnish();
  void attach_next();
  void cannot_furnish(const error& why);
  void commit_next();
  void end_commits();

  // session_tracked.cpp: executions whose effect on the files is looked at.
  /// A reply that has the session go on with `then`, in its turn, if it is still there.
  template <class T>
  reply<T> resumed(std::function<void(session_core&, result<T>)> then) {
    return reply<T>{[resume = ports_.resume, then = std::move(then)](result<T> outcome) {
      auto kept = std::make_shared<result<T>>(std::move(outcome));
      resume([then, kept](session_core& core) { then(core, std::move(*kept)); });
    }};
  }
  bool holds_back(const execution_ptr& next);
  void begin_tracking(const execution_ptr& what);
  void abandon_tracking();
  void on_looked(std::uint64_t number, const status& how);
  bool ends_tracked(const execution_ptr& what, verdict& how, bool told);
  void look_again(std::uint64_t number);
  void on_looked_again(std::uint64_t number, result<file_report> seen);
  void lose_tracked(const cause& why);

  // session_flights.cpp: what the worker has been sent.
  void dispatch();
  void send(const execution_ptr& what, clock_type::time_point now);
  in_flight& send_last(const execution_ptr& what, std::uint64_t place);
  void start_front(clock_type::time_point now = clock_type::now());
  void park(in_flight& flight);
  void add_round(in_flight& flight, std::uint64_t credit);
  void order_round(in_flight& flight, std::uint64_t credit);
  void end_round(in_flight& flight);
  void close_stream(in_flight& flight);
  void interrupt(in_flight& target, stop_reason why);
  void give_up_on(in_flight& target, bool has_worker);
  void update_state(clock_type::time_point now = clock_type::now());
  in_flight* find(std::uint64_t number);
  in_flight take(in_flight& flight);
  bool is_front(const in_flight& flight) const noexcept;
  void count_asynchronous(in_flight& flight);
  void charge_loop();
  void release_charges();

  // session_time.cpp
  void check_time(in_flight& flight, bool front, clock_type::time_point now);
  void dispatch_expired();
  void consider(clock_type::time_point& next, const in_flight& flight, bool front) const;
  void update_wake();
  void wake_by(clock_type::time_point when);

  // session_frames.cpp: what the worker says.
  bool handle(const bridge::frame& frame);
  bool handle_output(std::string_view body);
  bool handle_display(std::string_view body);
  bool handle_items(std::string_view body);
  bool handle_parked(std::string_view body);
  bool handle_finished(std::string_view body);

  // session_apps.cpp: web applications that live in it.
  void send_feed(execution& what, app_feed more);
  [[nodiscard]] bool works_for(std::uint64_t owner) const;
  void order_release(std::uint64_t owner);
  void stall(execution& what);
  void end_stalls();
  bool handle_app_taken(std::string_view body);

  // session_host.cpp: its code and the application.
  bool handle_host_call(std::string_view body);
  bool handle_host_drop(std::string_view body);
  void place_call(const bridge::host_call& message, switchboard::caller who, function_call what);
  void use_capability(const bridge::host_call& message, open_call call,
                      std::chrono::milliseconds timeout);
  void answer_call(std::uint64_t number, const open_call& call, const function_answer& with);
  void trace_call(const open_call& call, std::string_view trouble);
  void drop_call(const open_call& call);
  void drop_calls();
  void check_calls(clock_type::time_point now);
  [[nodiscard]] result<std::uint64_t> call_of(const std::string& id) const;
  [[nodiscard]] bool blocks(std::uint64_t call) const;
  std::deque<in_flight>::iterator place_within(std::uint64_t call);
  in_flight& send_within(const execution_ptr& what, std::uint64_t place,
                         clock_type::time_point now);
  void put_back(std::uint64_t call);

  // session_mail.cpp: messages.
  void open_mailbox();
  void send_message(const bridge::host_call& message);
  function_answer send_confirmed(std::string_view operands);
  result<std::uint64_t> publish(std::string_view to, std::string_view content);
  void receive(std::uint64_t number, open_call call);

  // session_notes.cpp: what its code tells beside output.
  bool handle_note(std::string_view body);
  void log_record(std::string_view request_id, std::string_view content);

  static std::uint64_t most_output_of(const in_flight& flight);
  std::optional<verdict> verdict_from(const in_flight& flight, const bridge::finished& message);

  // session_ends.cpp: how executions end.
  void stopped_verdict(verdict& out, const in_flight& flight, bool lost) const;
  std::chrono::microseconds cpu_of(const in_flight& flight, clock_type::time_point now);
  void complete(in_flight& flight, verdict how);
  void complete_queued(const execution_ptr& what, verdict how);
  std::chrono::microseconds loop_cpu_of(const in_flight& flight);
  void observe_end(const execution& what, const verdict& how);
  void lose_flight(in_flight& flight, bool front, const cause& why, const std::string& text);
  void finish_all(const cause& why);

  session_info info_;
  const session_limits& limits_; // in info_
  std::string tenant_;
  std::shared_ptr<const environment_settings> environment_;
  std::string label_; // of its environment, in metrics
  session_request wish_;
  std::chrono::milliseconds idle_timeout_;
  bool one_shot_;
  const settings& config_;
  observer& watch_;
  load_gauge& load_;
  session_ports ports_;

  worker_ptr worker_;
  resource_watch::ticket watched_;
  std::shared_ptr<pulse> pulse_;
  unsigned asked_ = 0; // answers to `ask` that may come yet
  std::shared_ptr<cpu_user> share_;
  std::string cgroup_;        // folder of its control group; empty: none
  unsigned specialising_ = 0; // answers awaited before the worker may see a tenant's byte
  std::shared_ptr<egress_broker> egress_; // when it has a policy
  std::string http_certificate_;          // that its code has to trust, under HTTP rules
  std::uint64_t worker_number_ = 0;       // also after the worker object has gone; 0: never had one
  bool worker_gone_ = false;
  bool channel_closed_ = false;
  std::optional<worker_end> end_;
  std::optional<cause> death_;       // decided by us, before the reaper says how it went
  clock_type::time_point reap_by_{}; // after the channel closed: how long to wait for the reaper

  std::vector<execution_ptr> setup_; // what is still to be done before the first request
  std::deque<execution_ptr> waiting_;
  std::deque<in_flight> sent_;
  std::map<std::uint64_t, in_flight> parked_; // by number
  std::size_t parked_async_ = 0;              // those that wait for something but the client
  std::size_t parked_budgets_ = 0;            // those of them that have a CPU budget
  std::size_t stopping_ = 0;                  // in flight and told to stop
  std::uint64_t next_number_ = 1;
  std::uint64_t next_place_ = 1;
  clock_type::time_point asked_for_worker_ = clock_type::now();
  clock_type::time_point idle_since_ = clock_type::now();
  clock_type::time_point wake_armed_ = clock_type::time_point::max();

  namespace_table namespaces_;
  std::set<std::uint64_t> owners_; // connections that refs or contexts in the worker belong to
  std::set<std::uint64_t> gone_;   // those of them that are gone while something of theirs goes on
  bool entered_ = false;           // a context manager may be open in the worker
  std::string closing_;            // why, while contexts are being left
  std::optional<error> start_error_;
  bool environment_failed_ = false; // in what it does to every session that starts
  bool starved_ = false;            // of a worker

  std::map<std::uint64_t, open_call> calls_; // to the application, by the worker's number
  std::unordered_map<std::string, std::uint64_t> call_numbers_; // by id
  mailbox_ptr inbox_;
  std::set<std::uint64_t> receiving_; // calls that wait for a message
  std::uint64_t last_call_ = 0;
  clock_type::time_point next_call_deadline_ = clock_type::time_point::max();
  clock_type::time_point log_again_at_{}; // when records of its code are logged again
  unsigned logged_ = 0;                   // of them until then
  unsigned unlogged_ = 0;

  session_files_ptr files_;                              // once somebody wanted them
  std::vector<reply<session_files_ptr>> awaiting_files_; // asked before the session was ready
  std::size_t attached_ = 0;                             // of the volumes that it wished for
  std::size_t committed_ = 0;                            // of its volumes, while it closes
  std::vector<reply<done>> awaiting_commits_;            // who closes it: told when all are done
  std::string_view closed_by_ = "closed";                // what is told then
  error commit_error_;                                   // the first one of these commits
  std::optional<tracked_run> tracked_;
  std::uint64_t last_tracked_ = 0;

  std::vector<reply<session_info>> describing_; // asked before the session was ready
  std::chrono::microseconds last_cpu_{};        // of the worker, when last read
  std::chrono::microseconds cpu_unread_{};      // at most this was used since by short executions
  // "I wait" is the worker's word. What it computes while nobody has the interpreter is shared out
  // among those that are said to wait: the share of each, all time, and the CPU clock when it was
  // last added to.
  std::chrono::nanoseconds loop_share_{};
  std::chrono::microseconds loop_cpu_{};
  bool front_ran_ = false; // since then
  clock_type::time_point denial_log_after_{};
  std::uint64_t peak_seen_ = 0;            // of the worker's resident memory
  clock_type::time_point forks_free_at_{}; // when as many forks may be made at once as ever
  bool opened_ = false;                    // It was ready once.
  bool reported_ = false;
  std::vector<execution_ptr> stalled_; // wait for the worker to read what it was fed
  bool unflushed_ = false;
  std::size_t charged_ = 0; // of those sent, at the back: their bytes may still be here
};

} // namespace vivarium
