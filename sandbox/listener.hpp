// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"

#include <functional>
#include <string>

#include <sys/types.h>

namespace vivarium::sandbox {

/// A system call that a worker tried and was refused.
struct denied_call {
  pid_t pid;        ///< Who tried, as the daemon sees it; 0 when out of sight.
  int number;       ///< x86-64 number of the call.
  std::string name; ///< E.g. "connect".
  int errno_value;  ///< What the worker was answered.
};

/// Answers what waits on a worker's seccomp listener, at most `at_most` calls, each with the errno
/// that suits it, and hands each to `note`. Does not block; call it when the listener is readable
/// (POLLIN). The worker's thread stands still until it is answered, which is what bounds a flood:
/// who answers later slows only that worker. The listener hangs up (POLLHUP) when the last task
/// under the filter has ended; closing it makes every later refused call fail with ENOSYS. Returns
/// how many were answered.
result<int> drain_denials(int listener, int at_most,
                          const std::function<void(const denied_call&)>& note);

} // namespace vivarium::sandbox
