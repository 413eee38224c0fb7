// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sandbox/plan_codec.hpp"

namespace vivarium::sandbox {

/// The zygote's ends of what the launcher keeps the other ends of.
struct zygote_ends {
  int link;
  int words; ///< Becomes stdout and stderr.
};

/// Turns this process, a fresh child of the launcher, into the environment's Python with a scrubbed
/// environment and exactly the descriptors of `control.hpp`.
[[noreturn]] void become_zygote(const jailed_plan& plan, const zygote_ends& ends);

} // namespace vivarium::sandbox
