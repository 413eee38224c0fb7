// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"

#include <sys/types.h>

namespace vivarium::sandbox {

/// Returns the niceness that stands for a share of the CPU, 100 being the usual one: a step of
/// niceness is a quarter more or less. Never below 1: whoever serves all comes before any of them.
[[nodiscard]] int niceness_of(unsigned weight) noexcept;

/// Has a worker, and every thread and process that it will start, take turns at that niceness. For
/// machines without a cgroup to put it into; the worker cannot undo it.
[[nodiscard]] status set_niceness(pid_t worker, int niceness);

} // namespace vivarium::sandbox
