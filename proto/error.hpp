// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace vivarium {

/// Every way in which an operation of the daemon can fail, once for the whole system. The names are
/// stable: logs, metrics and the wire show `name_of(code)`. What tenant code does (an exception, a
/// timeout, a crash) is a verdict and never one of these.
enum class errc : std::uint8_t {
  none = 0,
  invalid_argument,
  not_found,
  already_exists,
  failed_precondition,
  busy,
  limit_exceeded,
  too_large,
  deadline_exceeded,
  cancelled,
  permission_denied,
  unauthenticated,
  route_not_found, ///< There is no application there.
  session_lost,
  worker_busy,                ///< No session of a pool is free, and the call would not wait.
  session_worker_unavailable, ///< The session that a key of a pool stands for has ended.
  is_directory,               ///< Where a file is needed.
  not_directory,              ///< Where a directory is needed.
  no_space,                   ///< A workspace or a volume is full.
  checksum_mismatch,          ///< What arrived is not what was sent.
  circuit_open, ///< What was to be started has failed too often lately, and is not tried now.
  unavailable,
  unimplemented,
  malformed,
  sandbox_unavailable,
  os_failure,
  internal,
};

/// Returns the stable name of `code`, e.g. "not_found".
[[nodiscard]] std::string_view name_of(errc code) noexcept;

/// A quota that an operation would have exceeded.
struct quota_facts {
  std::string_view name; ///< One of a fixed set; empty when no quota was met.
  std::uint64_t current = 0;
  std::uint64_t maximum = 0;
  std::chrono::milliseconds retry_after{0}; ///< When another attempt may do better.
};

/// A failed operation: what kind, and a sentence a person can act upon.
struct [[nodiscard]] error {
  errc code = errc::none;
  std::string detail;
  /// Encoded vivarium.v1.ExecutionError of the code that made the operation fail; mostly empty.
  std::string of_code = {};
  /// What there is not enough of, with `limit_exceeded`; mostly unset.
  quota_facts quota = {};
};

/// Builds an `os_failure` that names the call, its argument and the text of `errno_value`.
[[nodiscard]] error os_error(std::string_view call, std::string_view argument, int errno_value);

} // namespace vivarium
