// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vivarium/options.hpp>

namespace vivarium {
inline namespace client_v1 {

/// What became of a session's files through a transaction; numbers equal vivarium.v1.FilesOutcome.
enum class files_outcome : std::uint8_t { unset = 0, kept, rolled_back, lost, damaged };

/// What an execution did to its session's files; paths in the workspace.
struct file_changes {
  std::vector<std::string> added;
  std::vector<std::string> modified;
  std::vector<std::string> deleted;
  bool truncated = false; ///< There are more than are listed.
  files_outcome outcome = files_outcome::unset;
  std::string problem;
};

/// One frame of a traceback.
struct frame {
  std::string file;
  std::uint32_t line = 0;
  std::string function;
  std::string source; ///< The line, stripped; empty when it is not known.
};

/// Where the syntax is wrong; lines and columns from 1.
struct syntax_position {
  std::string file;
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  std::uint32_t end_line = 0;
  std::uint32_t end_column = 0;
  std::string text;
};

/// What a well-known message of a library means; see execution.proto.
struct shape_mismatch {
  std::string operation;
  std::vector<std::int64_t> first;
  std::vector<std::int64_t> second;
  std::string suggestion;
};
struct out_of_memory {
  std::string device;
  std::uint64_t requested_bytes = 0;
  std::uint64_t available_bytes = 0;
  std::uint64_t total_bytes = 0;
};
struct dtype_mismatch {
  std::string expected;
  std::string actual;
  std::string suggestion;
};

/// An exception, or what stopped the code.
struct exception_info {
  error_kind kind = error_kind::unspecified;
  std::string type;                 ///< Qualified name; empty when there was no exception.
  std::string module;               ///< Of the type.
  std::vector<std::string> bases;   ///< Names of its base classes, nearest first.
  std::string message;              ///< `str(exception)`.
  std::vector<struct frame> frames; ///< Outermost first.
  std::string traceback;            ///< CPython's own text.
  std::shared_ptr<const exception_info> cause;   ///< `__cause__`.
  std::shared_ptr<const exception_info> context; ///< `__context__`, when it is shown.
  std::vector<exception_info> group;             ///< Those of an exception group.
  std::optional<syntax_position> syntax;
  std::string code; ///< Stable name, where the daemon knows one, e.g. "ref_released".
  std::vector<value> args;
  std::variant<std::monostate, shape_mismatch, out_of_memory, dtype_mismatch> details;

  /// Whether its type or one of the base classes has that name, with or without its module.
  [[nodiscard]] bool is(std::string_view type_name) const noexcept;
};

/// What stopped an execution, as the daemon or the kernel saw it.
struct stop_cause {
  enum class enforcer { unspecified, kernel, daemon, python };
  std::string cause; ///< E.g. "deadline", "cancelled", "exited", "signal".
  std::string limit; ///< Name of the limit or signal.
  std::uint64_t configured = 0;
  std::uint64_t observed = 0; ///< For an exit the exit code.
  enforcer enforced_by = enforcer::unspecified;
};

/// What an execution used.
struct usage {
  std::chrono::microseconds wall{0};
  std::chrono::microseconds cpu{0};
  std::chrono::microseconds queued{0};
  std::uint64_t peak_memory_bytes = 0;
  std::uint64_t output_bytes = 0;
};

/// One representation of something displayed: text types have `text`, others `data`.
struct mime_part {
  std::string type;
  std::string text;
  bytes data;
};
struct display {
  std::vector<mime_part> parts;
};

/// What became of the session.
enum class session_outcome { unset, kept, lost, restored };

/// How an execution ended.
struct verdict {
  std::string execution_id;
  std::string session_id; ///< Empty for a one-shot.
  std::string request_id; ///< Of the request that brought it; empty in an event.
  /// The result, as a value whatever its form: a JSON text or a repr is a str here, and a form that
  /// was not asked for is None.
  value result;
  result_format format = result_format::unset; ///< In which form the result came; unset for none.
  std::shared_ptr<const exception_info> exception; ///< Null when the code ran to its end.
  std::string output;                              ///< What went to stdout, within the limit.
  std::string error_output;                        ///< What went to stderr.
  std::vector<display> displays;
  std::uint64_t displays_dropped = 0; ///< Beyond the session's limits.
  std::optional<file_changes> files;  ///< Of the workspace, where that was asked for.
  struct usage usage;
  session_outcome session = session_outcome::unset;
  std::optional<stop_cause> cause; ///< Only when something stopped it.
  bool output_truncated = false;

  [[nodiscard]] bool ok() const noexcept { return exception == nullptr; }
  /// Throws the `execution_error` when the code failed.
  void check() const;
};

} // namespace client_v1
} // namespace vivarium
