// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"
#include "sandbox/limits.hpp"

#include <sys/types.h>

namespace vivarium::sandbox {

/// Tells by a worker's seccomp listener whether its pid may be somebody else's. About 1 us; any
/// thread.
[[nodiscard]] bool worker_has_ended(int listener) noexcept;

/// Lowers the limits of a sealed worker, from outside; nothing can raise one again. Its tmpfs is
/// not among them, see jail::resize. `listener` is its seccomp listener, which tells that the pid
/// is still the worker's. About 5 us; any thread.
status tighten_worker(pid_t host_pid, int listener, const fork_size& size,
                      const worker_limits& limits);

} // namespace vivarium::sandbox
