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

inline constexpr std::uint32_t worker_protocol_version = 1;

/// What to do with the source.
enum class run_mode : std::uint8_t {
  execute = 1, ///< Statements; the result is a top-level return or the last expression.
  compile = 2, ///< Only check that it compiles.
};

/// In which form the result is wanted.
enum class value_form : std::uint8_t { none = 1, typed = 2, repr = 3 };

/// Order to run source.
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

/// How an execution ended, in the worker's own words.
struct finished {
  enum class outcome : std::uint8_t {
    value = 1,   ///< `content` is an encoded vivarium.v1.Value.
    repr = 2,    ///< `content` is text; empty for None.
    nothing = 3, ///< No result was asked for, or it was only compiled.
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
status append_hello(std::string& out, const hello& message);
status append_output(std::string& out, const output& message);
status append_display(std::string& out, const display& message);
status append_finished(std::string& out, const finished& message);

result<evaluate> decode_evaluate(std::string_view body);
result<hello> decode_hello(std::string_view body);
result<output> decode_output(std::string_view body);
result<display> decode_display(std::string_view body);
result<finished> decode_finished(std::string_view body);

} // namespace vivarium::bridge
