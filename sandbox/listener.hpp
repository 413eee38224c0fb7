// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include <sys/types.h>

namespace vivarium::sandbox {

/// A system call of a worker that stands still until the daemon has answered it. Its arguments are
/// the registers; what pointers among them lead to is the worker's to change at any time.
struct caught_call {
  std::uint64_t id = 0; ///< Of the notification.
  pid_t thread = 0;     ///< Who calls, as the daemon sees it; 0 when out of sight.
  int number = 0;       ///< x86-64 number of the call.
  std::array<std::uint64_t, 6> arguments{};
};

/// What a caught call asks for, as far as a policy may allow it.
enum class call_kind : std::uint8_t {
  other,   ///< Nothing that could be allowed.
  connect, ///< A connection to the outside.
  fork,    ///< A process: `fork`, `vfork` and what C libraries make of them, exactly.
  exec,    ///< Another program.
  group,   ///< A session or process group of its own, which starting programs may want.
  local,   ///< A Unix socket with a name, and waiting for connections at one.
};
[[nodiscard]] call_kind kind_of(const caught_call& call) noexcept;

/// A system call that a worker tried and was refused.
struct denied_call {
  pid_t pid;        ///< Who tried, as the daemon sees it; 0 when out of sight.
  int number;       ///< x86-64 number of the call.
  std::string name; ///< E.g. "connect".
  int errno_value;  ///< What the worker was answered.
  bool quiet;       ///< What libraries try and can do without: not worth a record.
  pid_t killed = 0; ///< The process, when it was ended for it.
};

// All of these work on a worker's seccomp listener and do not block. The worker's thread stands
// still until it is answered, which is what bounds a flood: who answers later slows only that
// worker. The listener is readable (POLLIN) while a call waits to be taken and hangs up (POLLHUP)
// when the last task under the filter has ended; closing it makes every later caught call fail with
// ENOSYS.

/// Has the kernel wake the daemon where the caller stood, and the caller where the daemon answers:
/// each waits for the other anyway. Kernels before 6.6 do not offer it.
void wake_beside(int listener) noexcept;

/// Takes the next call; nothing when none waits.
result<std::optional<caught_call>> take_call(int listener);
/// Whether who made the call still waits for its answer. Between taking a call and this the number
/// of the thread may have come to mean another one.
[[nodiscard]] bool still_waits(int listener, const caught_call& call) noexcept;
/// Lets the call return `errno_value` as its error, or 0. One who is gone needs no answer.
void answer(int listener, const caught_call& call, int errno_value) noexcept;
/// Lets the kernel carry out the call. It reads what pointers lead to only then: for calls that are
/// decided by their registers alone, or whatever they name.
void carry_on(int listener, const caught_call& call) noexcept;
/// Refuses the call with the errno that suits it, and says so. Whoever makes a call that no honest
/// code makes has its process killed; the call was not carried out in any case.
denied_call refuse(int listener, const caught_call& call);

/// Takes and refuses what waits, at most `at_most` calls, and hands each that is not quiet to
/// `note`. Returns how many there were.
result<int> drain_denials(int listener, int at_most,
                          const std::function<void(const denied_call&)>& note);

} // namespace vivarium::sandbox
