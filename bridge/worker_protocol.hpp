// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bridge/frame.hpp"
#include "proto/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace vivarium::bridge {

// The messages between daemon and worker. Encoders append one whole frame to a buffer; decoders
// take the body of a frame and return views into it. Decoders trust nothing: a missing field, a
// wrong wire type, a value out of range or an unknown field is `malformed`. Fields that go on to a
// client as they are (a `Value`, an `ExecutionError`, a `Display` in the encoding of vivarium.v1)
// are returned as encoded bytes, to be checked by `bridge/validate.hpp`.

inline constexpr std::uint32_t worker_protocol_version = 3;

/// What is to be done. The operands are a Value: of `execute` a dict of variables to bind, of the
/// others a list, given here.
enum class run_mode : std::uint8_t {
  execute = 1, ///< Statements; the result is a top-level return or the last expression.
  compile = 2, ///< Only check that it compiles.
  /// [operation (its number in vivarium.v1), target, name, args, kwargs]; the target is one of the
  /// tuples ("module", name), ("variable", name), ("value", object).
  call = 3,
  /// [number, sources, variables]: makes a namespace; a source is a tuple (number, only, except),
  /// of which the latter two are lists of names or None. No sources: what the init script left.
  make_namespace = 4,
  drop_namespace = 5, ///< [number]
  release = 6,        ///< [ids of refs] -> how many were there
  /// [number of an owner]: releases its refs, leaves what was entered with them.
  release_owner = 7,
  /// [settings]: a dict with any of "cwd" (str), "env" (dict), "max_refs", "ref_ttl_ms" (int).
  configure = 8,
  keep_initial = 9,    ///< []: new namespaces begin with what the base one has now.
  leave_contexts = 10, ///< []: leaves all that was entered and not left.
  /// [what, arguments...]: "variables"; "interpreter"; "memory"; "collect", generation or None;
  /// "tracemalloc", enabled, frames. The result is a dict.
  inspect = 11,
  // Web applications, which have numbers that the daemon gives them, see app_messages.hpp.
  /// [number, name of a module or None, name of the application, kind or ""]: runs the source, if
  /// there is any, and starts what then has that name. The result is its kind.
  boot_app = 20,
  /// See `append_app_request`. With credit: what comes back are the items of a response.
  app_request = 21,
  close_app = 22, ///< [number]
  /// Boots, asks, closes: [name of a module or None, name, kind or "", a request]. The result is a
  /// whole response.
  invoke_app = 23,
};
inline constexpr std::uint32_t last_run_mode = 23;

/// In which form the result is wanted.
enum class value_form : std::uint8_t { none = 1, typed = 2, repr = 3 };

/// Numbers equal those of vivarium.v1.ValueOptions; in a frame none is 0.
struct value_options {
  std::uint8_t unserializable = 0; ///< 1 error, 2 ref, 3 repr
  std::uint8_t blob_as = 0;        ///< 1 bytes, 2 str, 3 bytearray
  std::uint8_t set_as = 0;         ///< 1 set, 2 frozenset
  std::uint8_t symbol_as = 0;      ///< 1 symbol, 2 distinct, 3 str

  /// What this one leaves unset is taken from `other`.
  void fill_from(const value_options& other) noexcept;
  bool operator==(const value_options&) const = default;
};

/// What holds where nobody says anything.
inline constexpr value_options plain_values{3, 1, 1, 1};

/// Order to run something.
struct evaluate {
  std::uint64_t execution = 0; ///< Number within the session, from 1, increasing.
  std::string_view source;     ///< UTF-8.
  std::string_view filename;   ///< Empty: derived from the source.
  std::uint32_t first_line = 1;
  run_mode mode = run_mode::execute;
  value_form form = value_form::typed;
  std::uint64_t start_before_us = 0;  ///< CLOCK_MONOTONIC; not started later than this. 0: always.
  std::uint32_t max_result_bytes = 0; ///< A larger result is an error of kind `limit`.
  std::uint32_t max_output_bytes = 0; ///< stdout and stderr together; what is over is only counted.
  std::uint64_t name_space = 0;   ///< 0 is the base one, `scratch_namespace` a new one for this.
  std::string_view operands = {}; ///< Encoded vivarium.v1.Value, not yet checked; may be empty.
  value_options values = plain_values;
  std::uint64_t owner = 0; ///< Connection that its refs belong to; 0: the session.
  /// Above 0 the result is iterated, and this is the credit of the first round, see `pull`.
  std::uint64_t stream_credit = 0;
  std::uint64_t host = 0; ///< Connection that functions among its values belong to; 0: none.
  /// Number of a call to the host that this is part of answering; 0: none. Where the main thread
  /// waits for that call, it runs this inside of the wait.
  std::uint64_t within = 0;
  std::string_view request_id = {};  ///< For the code to read; may be empty.
  std::string_view traceparent = {}; ///< W3C Trace Context, likewise.
};

/// A namespace that begins with what the init script left and is dropped with the execution.
inline constexpr std::uint64_t scratch_namespace = ~std::uint64_t{0};

/// Bytes of items after which a round of a stream ends.
inline constexpr std::uint64_t stream_round_bytes = 1u << 20;

/// Orders the next round of a stream, or its end. A round is over when it has brought `credit`
/// items, or `stream_round_bytes` of content, the item that reaches them included; both sides
/// count. Between rounds the iterator is suspended and the worker serves others.
struct pull {
  std::uint64_t execution = 0;
  std::uint64_t credit = 0; ///< 0: close the iterator and finish.
};

/// More of a request to a web application, whose execution waits for it or will.
struct app_input {
  enum class input_kind : std::uint8_t {
    body = 1, ///< A piece of the body; more follows.
    end = 2,  ///< The last one.
    // Of a WebSocket.
    text = 3,       ///< A message: UTF-8, checked.
    binary = 4,     ///< A message.
    disconnect = 5, ///< The client has left, with `code`.
  };
  std::uint64_t execution = 0;
  input_kind kind = input_kind::body;
  std::uint32_t code = 0;
  std::string_view content;
};

/// How much input of an application may be on its way: what it has not said that it took.
inline constexpr std::size_t app_input_window = 256u << 10;

/// Bytes of input that an application has taken.
struct app_taken {
  std::uint64_t execution = 0;
  std::uint64_t bytes = 0; ///< At least 1.
};

/// The host's answer to a call.
struct host_result {
  enum class outcome : std::uint8_t {
    value = 1, ///< `content` is an encoded vivarium.v1.Value.
    error = 2, ///< `content` is an encoded vivarium.v1.HostError: the function failed.
    // What the daemon says; `content` is text for a person.
    not_found = 3,   ///< Nobody offers the function.
    timeout = 4,     ///< The answer did not come in time.
    unavailable = 5, ///< Who should have answered is gone.
    limit = 6,       ///< Too much at once.
  };
  std::uint64_t call = 0;
  outcome kind = outcome::value;
  std::string_view content;
  std::uint64_t host = 0; ///< Connection that functions in the value belong to; 0: none.
};

/// First message of a worker, before any tenant byte.
struct hello {
  std::uint32_t protocol = 0;
  std::string_view python_version; ///< sys.version
};

/// Text that the code wrote.
struct output {
  std::uint64_t execution = 0;
  bool is_stderr = false;
  std::string_view text; ///< UTF-8, not yet checked.
};

/// Something displayed.
struct display {
  std::uint64_t execution = 0;
  std::string_view content; ///< Encoded vivarium.v1.Display.
};

/// An asynchronous execution waits for something: others may have the worker.
struct parked {
  std::uint64_t execution = 0;
};

/// Items of a stream.
struct items {
  std::uint64_t execution = 0;
  std::uint64_t count = 0; ///< At least 1.
  /// Fields of an encoded vivarium.v1.Items: `items` (1) or, where the form is repr, `repr_items`
  /// (3); as many as `count`, nothing else.
  std::string_view content;
};

/// Of a call's operands, of what a note tells.
inline constexpr std::size_t max_operand_bytes = 16u << 20;
inline constexpr std::size_t max_note_bytes = 64u << 10;

/// Python calls a function of the host's.
struct host_call {
  enum class call_kind : std::uint8_t {
    call = 1, ///< `host_result` or `host_drop` ends it.
    cast = 2, ///< Nobody waits.
    send = 3, ///< `name` is the destination of a message; its content the only operand.
  };
  std::uint64_t execution = 0; ///< That it is made by, as far as is known; 0: none.
  std::uint64_t call = 0;      ///< Number within the session, from 1, increasing. 0 for a cast.
  call_kind kind = call_kind::call;
  bool blocking = false;  ///< The main thread waits for it, inside of an execution.
  std::uint64_t host = 0; ///< Connection whose function it is; 0: whoever offers the name.
  std::string_view name;  ///< UTF-8, not yet checked.
  /// Encoded Value, not yet checked: a tuple of a list and a dict, the arguments.
  std::string_view operands;
  std::uint64_t timeout_ms = 0; ///< 0: the default.
};

/// Nobody waits for that call any more.
struct host_drop {
  std::uint64_t call = 0;
};

/// Something that an execution tells beside its output.
struct note {
  enum class note_kind : std::uint8_t {
    log = 1,      ///< `content` is an encoded vivarium.v1.LogRecord.
    progress = 2, ///< `content` is an encoded vivarium.v1.Progress.
  };
  std::uint64_t execution = 0; ///< 0: of none.
  note_kind kind = note_kind::log;
  std::string_view content;
};

/// How an execution ended, in the worker's own words.
struct finished {
  enum class outcome : std::uint8_t {
    value = 1,   ///< `content` is an encoded vivarium.v1.Value.
    repr = 2,    ///< `content` is text; empty for None.
    nothing = 3, ///< No result was asked for, it was only compiled, or a stream came to its end.
    error = 4,   ///< `content` is an encoded vivarium.v1.ExecutionError.
    expired =
        5, ///< It was not started: `start_before_us` had passed, or it was interrupted before.
  };
  std::uint64_t execution = 0;
  outcome kind = outcome::nothing;
  std::string_view content;
  std::uint64_t output_bytes = 0; ///< Written in all, cut or not.
  bool output_truncated = false;
  bool interrupted = false; ///< The soft interrupt ended it.
};

status append_evaluate(std::string& out, const evaluate& message);
status append_pull(std::string& out, const pull& message);
status append_host_result(std::string& out, const host_result& message);
status append_app_input(std::string& out, const app_input& message);
status append_app_taken(std::string& out, const app_taken& message);
status append_hello(std::string& out, const hello& message);
status append_output(std::string& out, const output& message);
status append_display(std::string& out, const display& message);
status append_parked(std::string& out, const parked& message);
status append_items(std::string& out, const items& message);
status append_finished(std::string& out, const finished& message);
status append_host_call(std::string& out, const host_call& message);
status append_host_drop(std::string& out, const host_drop& message);
status append_note(std::string& out, const note& message);

result<evaluate> decode_evaluate(std::string_view body);
result<pull> decode_pull(std::string_view body);
result<host_result> decode_host_result(std::string_view body);
result<app_input> decode_app_input(std::string_view body);
result<app_taken> decode_app_taken(std::string_view body);
result<hello> decode_hello(std::string_view body);
result<output> decode_output(std::string_view body);
result<display> decode_display(std::string_view body);
result<parked> decode_parked(std::string_view body);
result<items> decode_items(std::string_view body);
result<finished> decode_finished(std::string_view body);
result<host_call> decode_host_call(std::string_view body);
result<host_drop> decode_host_drop(std::string_view body);
result<note> decode_note(std::string_view body);

} // namespace vivarium::bridge
