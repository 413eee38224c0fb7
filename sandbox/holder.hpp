// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/unique_fd.hpp"

#include <cstdint>

#include <sys/types.h>

namespace vivarium::sandbox {

/// Process 1 of one worker's pid namespace. It reaps orphans and does nothing else; its death ends
/// everything in the namespace. The launcher's child, not yet reaped while `pid` is kept.
struct holder {
  pid_t pid = -1; ///< -1: could not be made, errno says why.
  unique_fd pidfd;
};

enum class pid_space : std::uint8_t {
  own,
  shared, ///< Layer left out by a test.
};

/// Makes a holder. Only from a process with one thread.
holder start_holder(pid_space space);

} // namespace vivarium::sandbox
