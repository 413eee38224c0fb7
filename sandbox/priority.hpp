// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"

#include <sys/types.h>

namespace vivarium::sandbox {

/// Returns by how much nicer than the daemon a worker shall be for a share of the CPU, 100 being
/// the usual one: a step is a quarter more or less. Never below 1: whoever serves all comes before
/// any of them.
[[nodiscard]] int niceness_of(unsigned weight) noexcept;

/// Makes a worker, and every thread and process that it will start, so much nicer than this process
/// is. For machines without a cgroup to put it into; the worker cannot undo it.
[[nodiscard]] status make_nicer(pid_t worker, int by);

} // namespace vivarium::sandbox
