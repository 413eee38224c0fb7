// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/execution.hpp"
#include "actors/messages.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace vivarium {

/// Numbers equal vivarium.v1.ErrorKind.
enum class error_kind : std::uint8_t {
  none = 0,
  syntax = 1,
  python = 2,
  timeout = 3,
  import = 4,
  io = 5,
  memory = 6,
  limit = 7,
  busy = 8,
  cancelled = 9,
  not_found = 10,
  permission = 11,
  session_lost = 12,
  route_not_found = 13,
  internal = 14,
  invalid_argument = 15,
  value = 16,
};

/// Returns the stable name of a kind, e.g. "session_lost"; "none" for `none`, "unknown" for others.
[[nodiscard]] std::string_view name_of(error_kind kind) noexcept;

/// Builds an encoded vivarium.v1.ExecutionError of the daemon's own. `code`: a stable name of what
/// went wrong; may be empty.
[[nodiscard]] std::string make_error(error_kind kind, std::string_view message,
                                     std::string_view code = {});

/// Gives an encoded error another kind and message and keeps the rest, such as its frames: what the
/// daemon's clock says goes before what the worker says.
void override_error(std::string& encoded, error_kind kind, std::string_view message);

/// Returns the kind of an encoded error; `none` when it has none or a number that is not known.
[[nodiscard]] error_kind kind_of_error(std::string_view encoded);

/// Returns a text field of an encoded, validated error: 5 its message, 7 its traceback, 12 its
/// code.
[[nodiscard]] std::string text_of_error(std::string_view encoded, std::uint32_t field);

/// Tells from a wait status how a process ended: "exited" with its code, "signal" with the signal's
/// name, or "seccomp" when the system call filter killed it.
[[nodiscard]] cause cause_of(const worker_end& end);

/// Describes a cause in words, e.g. "its worker was killed by SIGSEGV".
[[nodiscard]] std::string describe(const cause& why);

} // namespace vivarium
