// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/byte_charge.hpp"
#include "actors/environment.hpp"
#include "actors/file_report.hpp"
#include "actors/quota_hold.hpp"
#include "actors/session_limits.hpp"
#include "bridge/worker_protocol.hpp"
#include "proto/error.hpp"
#include "proto/trace_context.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace vivarium {

using clock_type = std::chrono::steady_clock;

/// What a disconnect of the waiting client does to an execution.
enum class on_disconnect : std::uint8_t { detach, interrupt, kill };

/// Numbers equal vivarium.v1.Cause.EnforcedBy.
enum class enforcer : std::uint8_t { none = 0, kernel = 1, daemon = 2, python = 3 };

/// What stopped an execution or ended a session, by the kernel's or the daemon's own word.
struct cause {
  std::string what;  ///< "deadline", "cpu", "cancelled", "exited", "signal", "protocol", ...
  std::string limit; ///< Name of the limit or signal, e.g. "timeout_ms", "SIGSEGV".
  std::uint64_t configured = 0;
  std::uint64_t observed = 0;
  enforcer enforced_by = enforcer::none;
};

/// What an execution used.
struct usage {
  std::chrono::microseconds wall{};
  std::chrono::microseconds cpu{};
  std::chrono::microseconds queued{};
  std::uint64_t peak_memory_bytes = 0;
  std::uint64_t output_bytes = 0;
};

/// Numbers equal vivarium.v1.SessionOutcome.
enum class session_outcome : std::uint8_t { none = 0, kept = 1, lost = 2, restored = 3 };

/// How an execution ended.
struct verdict {
  enum class kind : std::uint8_t {
    value,   ///< `content` is an encoded, validated vivarium.v1.Value.
    repr,    ///< `content` is text; empty for None.
    nothing, ///< No result was asked for.
    error,   ///< `content` is an encoded, validated vivarium.v1.ExecutionError.
  };
  kind outcome = kind::nothing;
  std::string content;
  /// vivarium.v1.ErrorKind of an error, for metrics and logs; 0 when there is none.
  std::uint32_t error_kind = 0;
  vivarium::usage usage;
  session_outcome session = session_outcome::kept;
  std::optional<vivarium::cause> cause;
  bool output_truncated = false;
  std::uint64_t displays_dropped = 0;
  std::shared_ptr<const file_report> files; ///< Where it was asked for.
};

/// One event of an execution's log.
struct event {
  enum class kind : std::uint8_t { started, out, err, display, verdict, items, log, progress };
  std::uint64_t sequence = 0;
  std::chrono::microseconds time{}; ///< Since submission.
  kind what = kind::started;
  /// Valid UTF-8 text; an encoded and validated vivarium.v1.Display, LogRecord or Progress; or the
  /// fields of a validated vivarium.v1.Items.
  std::string data = {};
  std::uint64_t count = 0; ///< Of items.
};

class execution;

/// A piece of a request to an application that follows its beginning.
struct app_feed {
  bridge::app_input::input_kind kind = bridge::app_input::input_kind::body;
  std::uint32_t code = 0;
  std::string content;

  /// What it takes of bridge::app_input_window.
  [[nodiscard]] std::size_t weight() const noexcept;
};

/// Somebody who wants to know of an execution's progress. Called on the reactor thread; must not
/// block and must not throw. A follower may unsubscribe itself inside the call.
class follower {
public:
  virtual ~follower() = default;
  /// Events were appended, or the execution ended. What the follower has seen so far is its own
  /// business: it reads the log from its own position on.
  virtual void on_progress(execution& source) = 0;
};

/// How firmly a call of a session pool that has a key is bound to the session which had it last.
/// Numbers + 1 equal vivarium.v1.Affinity.
enum class affinity : std::uint8_t {
  hint,             ///< That one if it is free, else any.
  strict_queue,     ///< That one, when it is free.
  strict_fail_fast, ///< That one if it is free, else not at all.
};

/// What a client asks to be run.
struct submission {
  std::string session;      ///< Id or name; empty for a one-shot session, or one of a pool.
  std::string pool;         ///< Name of a session pool; then `session` is empty.
  std::string affinity_key; ///< Of a pool; may be empty.
  vivarium::affinity affinity = vivarium::affinity::hint;
  /// Dotted name of the function that is called, for routes; empty when it is none of a module.
  std::string function;
  /// Tenant that it counts for, when the session is that of a pool.
  std::string charged_to;
  bool create_session = false;
  std::string environment; ///< Of a session made for it; empty for the default one.
  std::string source;
  std::string filename;
  std::uint32_t first_line = 1;
  std::string code;       ///< Handle from Compile, instead of source.
  std::string name_space; ///< Id or name of a namespace of the session; empty for the base one.
  bool scratch = false;   ///< In a fresh namespace that is dropped at the end.
  /// Encoded and validated vivarium.v1.Value, see bridge::run_mode: variables, or the operands of a
  /// mode that has no source. May be empty.
  std::string operands;
  bridge::value_options values; ///< What is unset is taken from namespace and session.
  /// Connection that the refs of the result belong to; 0: the session.
  std::uint64_t owner = 0;
  /// Number of the connection that submits it, when it has one: its functions come first.
  std::uint64_t connection = 0;
  std::string within_call; ///< Id of a call of the session's that this is part of answering.
  /// Above 0: the result is iterated; the credit of the first round, see bridge::pull.
  std::uint64_t stream_credit = 0;
  std::shared_ptr<const limits_request> limits; ///< Of a session made for it; null for the usual.
  std::shared_ptr<const determinism> repeats;   ///< Of a session made for it; null for none.
  /// Files of a session made for it, path and content; null for none.
  std::shared_ptr<std::vector<std::pair<std::string, std::string>>> files;
  bool track_files = false;                  ///< Tell what became of the session's files.
  bool transaction = false;                  ///< And undo it when the code fails.
  std::chrono::milliseconds idle_timeout{0}; ///< Of a stream; 0: the configured default.
  /// Of a WebSocket: this is `timeout` and `idle_timeout` once it has been answered. 0: no change.
  std::chrono::milliseconds socket_timeout{0};
  bridge::run_mode mode = bridge::run_mode::execute;
  bridge::value_form form = bridge::value_form::typed;
  std::uint8_t answer_format = 0; ///< The asker's ResultFormat, for whoever encodes the verdict.
  bool as_json = false;           ///< The result will be told as natural JSON.
  bool detached = false;          ///< Nobody asks for its verdict; its failure is counted.
  bool internal = false;          ///< The daemon's own; not counted and not shown to anyone.
  std::chrono::milliseconds timeout{0};    ///< 0: the profile's, or the configured default.
  std::string timeout_profile;             ///< Empty: the tenant's usual one.
  std::chrono::milliseconds cpu_budget{0}; ///< 0: none.
  bool fail_if_busy = false;
  std::optional<on_disconnect> disconnect; ///< Absent: detach, or kill for a one-shot.
  std::string request_id;                  ///< For logs, and for the code to read.
  trace_place trace;                       ///< Of the execution itself.
};

/// An execution: one id, one bounded event log, one verdict. Lives on the reactor thread: the
/// session actor writes it, followers read it, nobody else touches it. Kept for a time after its
/// end so that clients can come back to it.
class execution : public std::enable_shared_from_this<execution> {
public:
  enum class state : std::uint8_t { queued = 1, running = 2, done = 3 }; ///< As in ExecutionInfo.

  execution(std::string id, std::string session_id, submission request, std::size_t log_bytes);

  const std::string& id() const noexcept { return id_; }
  /// Id of the session; empty for a one-shot, and for one of a pool.
  const std::string& session_id() const noexcept { return session_id_; }
  const submission& request() const noexcept { return request_; }
  state now() const noexcept { return state_; }
  clock_type::time_point submitted() const noexcept { return submitted_; }
  clock_type::time_point started() const noexcept { return started_; }

  /// The events that are still held, oldest first; without gaps. Valid until the next `append`.
  std::span<const event> log() const noexcept { return std::span{log_}.subspan(dropped_); }
  /// Number of the newest event, 0 before the first.
  std::uint64_t last_sequence() const noexcept { return last_sequence_; }
  /// Number of the oldest event still held; `last_sequence() + 1` when none is.
  std::uint64_t first_held() const noexcept { return last_sequence_ + 1 - log().size(); }
  /// Bytes that the log holds.
  std::size_t log_bytes() const noexcept { return log_bytes_; }
  /// How it ended; absent until it has.
  const std::optional<verdict>& end() const noexcept { return verdict_; }

  /// Rounds of a stream that are over, and credit that they did not use because they were over
  /// early.
  std::uint64_t rounds_done() const noexcept { return rounds_done_; }
  std::uint64_t credit_unused() const noexcept { return credit_unused_; }

  /// Adds a follower; it is told of what comes from now on. Holds a strong reference until the
  /// execution ended or the follower left.
  void subscribe(std::shared_ptr<follower> who);
  void unsubscribe(const follower* who);
  bool has_followers() const noexcept { return !followers_.empty(); }

  // For the session actor:

  void mark_started(clock_type::time_point when);
  /// Appends an event, dropping the oldest ones while the log is over its bound.
  void append(event::kind what, std::string data, std::uint64_t count = 0,
              clock_type::time_point now = clock_type::now());
  /// Appends the verdict, tells the followers and lets them go. Only the first call counts.
  void finish(verdict how, clock_type::time_point now = clock_type::now());
  /// Has `tell` called once, when it has ended and its followers know.
  void at_end(std::function<void()> tell) { at_end_ = std::move(tell); }
  /// Whether it has a session of its own that nobody else knows.
  [[nodiscard]] bool one_shot() const noexcept {
    return session_id_.empty() && request_.pool.empty();
  }
  /// Keeps a part of the tenant's quota until it has ended.
  void hold(quota_hold what) noexcept { hold_ = std::move(what); }
  /// Frees source and operands, which nobody needs once the worker has them.
  void drop_source() {
    std::string{}.swap(request_.source);
    std::string{}.swap(request_.operands);
  }
  /// It is a WebSocket now, and may be silent for long.
  void settle_down() noexcept {
    request_.timeout = request_.idle_timeout = std::exchange(request_.socket_timeout, {});
  }
  /// Protects events from here on from being dropped: those of a stream that its client has not
  /// taken yet. Who reads a stream sets it, and orders no more rounds than may be held.
  static constexpr std::uint64_t keep_nothing = ~std::uint64_t{0};
  /// Items of a response of an application are let go of as soon as they have been taken; the one
  /// where the reading stops stays, whoever reads may still look at it.
  void keep_from(std::uint64_t sequence) noexcept;
  /// Tells followers that a round of a stream is over.
  void round_over(std::uint64_t unused_credit);
  /// What source and operands take of the tenant's share, until the worker has them.
  byte_charge charge;
  /// Number within the session's worker.
  std::uint64_t number = 0;
  /// Number of its namespace within the worker.
  std::uint64_t name_space = 0;
  /// Number of the call to the application that it runs inside of; 0: of none.
  std::uint64_t within = 0;
  /// How its values are read and written, complete.
  bridge::value_options values;
  /// Rounds of a stream that were ordered before the worker had it.
  std::vector<std::uint64_t> early_rounds;
  /// Input of a request to an application: that came before the worker had the request, that was
  /// sent, and that the application has taken.
  std::vector<app_feed> early_input;
  std::uint64_t input_sent = 0;
  std::uint64_t input_taken = 0;
  bool input_stalled = false; ///< The worker does not even read what was sent.
  bool client_gone = false;   ///< Who asked has left before the response was complete.
  bool malformed = false;     ///< The response is none that HTTP can carry.
  /// The application has taken more of its input: tells followers.
  void input_wanted() { notify(); }

private:
  void drop_oldest();
  void release(std::uint64_t from);
  void notify();

  std::string id_;
  std::string session_id_;
  submission request_;
  state state_ = state::queued;
  clock_type::time_point submitted_ = clock_type::now();
  clock_type::time_point started_{};
  std::vector<event> log_;
  std::size_t dropped_ = 0; // at its front, and empty
  std::size_t log_bytes_ = 0;
  std::size_t max_log_bytes_;
  std::uint64_t last_sequence_ = 0;
  std::uint64_t keep_from_ = keep_nothing;
  std::uint64_t rounds_done_ = 0;
  std::uint64_t credit_unused_ = 0;
  std::optional<verdict> verdict_;
  quota_hold hold_;
  std::function<void()> at_end_;
  std::vector<std::shared_ptr<follower>> followers_;
};

using execution_ptr = std::shared_ptr<execution>;

} // namespace vivarium
