// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

// The inline namespace keeps the library's symbols apart from the daemon's vocabulary, which has an
// `error` of its own, and gives an incompatible version of this library names of its own.
namespace vivarium {
inline namespace client_v1 {

struct exception_info;
struct verdict;

/// What kind of failure it is; the numbers are those of ErrorKind in common.proto.
enum class error_kind {
  unspecified = 0,
  syntax,
  python,
  timeout,
  import,
  io,
  memory,
  limit,
  busy,
  cancelled,
  not_found,
  permission,
  session_lost,
  route_not_found,
  internal,
  invalid_argument,
  value,
};

/// What every error of this library has in common.
///
///     error
///       connection_error          no daemon, or the connection broke
///       conversion_error          a value is not of the C++ type that was asked for
///       request_error             the daemon refused the request
///         not_found_error, already_exists_error, invalid_argument_error, busy_error,
///         unavailable_error
///       execution_error           the code failed or was stopped
///         python_error, timeout_error, cancelled_error, session_lost_error, limit_error
class error : public std::runtime_error {
public:
  explicit error(const std::string& what, error_kind kind = error_kind::unspecified,
                 std::string code = {}, std::string request_id = {})
      : std::runtime_error{what}, kind_{kind}, code_{std::move(code)}, request_id_{
                                                                           std::move(request_id)} {}

  [[nodiscard]] error_kind kind() const noexcept { return kind_; }
  /// Stable name of the failure, e.g. "not_found", "ref_released"; empty when there is none.
  [[nodiscard]] const std::string& code() const noexcept { return code_; }
  /// The id of the request in the daemon's log; empty when there is none.
  [[nodiscard]] const std::string& request_id() const noexcept { return request_id_; }

private:
  error_kind kind_;
  std::string code_;
  std::string request_id_;
};

/// The daemon cannot be reached, or the connection is gone. Whether a request that was under way
/// has been carried out is not known.
class connection_error : public error {
public:
  using error::error;
};

/// A value is not of the C++ type that was asked for, or out of its range.
class conversion_error : public error {
public:
  /// `why` may add what is wrong beyond the types.
  conversion_error(std::string from, std::string to, std::string_view why = {});
  /// The Python type.
  [[nodiscard]] const std::string& from() const noexcept { return from_; }
  /// The C++ type.
  [[nodiscard]] const std::string& to() const noexcept { return to_; }

private:
  std::string from_;
  std::string to_;
};

/// The daemon refused a request; nothing ran.
class request_error : public error {
public:
  using error::error;
};
class not_found_error : public request_error {
public:
  using request_error::request_error;
};
class already_exists_error : public request_error {
public:
  using request_error::request_error;
};
class invalid_argument_error : public request_error {
public:
  using request_error::request_error;
};
/// The session is busy, and the request was not to wait.
class busy_error : public request_error {
public:
  using request_error::request_error;
};
/// The daemon is draining or has no worker to give.
class unavailable_error : public request_error {
public:
  using request_error::request_error;
};

/// Code failed or was stopped.
class execution_error : public error {
public:
  execution_error(const std::string& what, error_kind kind, std::string code,
                  std::shared_ptr<const exception_info> exception,
                  std::shared_ptr<const struct verdict> verdict = {}, std::string request_id = {});

  /// The exception; its type is empty when there was none.
  [[nodiscard]] const exception_info& exception() const noexcept { return *exception_; }
  /// Output, usage and cause; null when nothing of it is known, as after a failed init script.
  [[nodiscard]] const struct verdict* verdict() const noexcept { return verdict_.get(); }
  /// Qualified name of the exception's type, e.g. "KeyError".
  [[nodiscard]] const std::string& type() const noexcept;
  /// CPython's text.
  [[nodiscard]] const std::string& traceback() const noexcept;
  /// Whether the exception is of that type or of one derived from it, by name.
  [[nodiscard]] bool is(std::string_view type) const noexcept;

private:
  std::shared_ptr<const exception_info> exception_;
  std::shared_ptr<const struct verdict> verdict_;
};

/// The code raised an exception, or does not parse, or its result cannot travel.
class python_error : public execution_error {
public:
  using execution_error::execution_error;
};
/// A deadline passed or the CPU budget is spent.
class timeout_error : public execution_error {
public:
  using execution_error::execution_error;
};
class cancelled_error : public execution_error {
public:
  using execution_error::execution_error;
};
/// The worker is gone and the session's state with it.
class session_lost_error : public execution_error {
public:
  using execution_error::execution_error;
};
/// A limit other than time, of the code or of the request.
class limit_error : public execution_error {
public:
  using execution_error::execution_error;
};

} // namespace client_v1
} // namespace vivarium
