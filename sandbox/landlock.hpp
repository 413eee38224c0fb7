// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"
#include "proto/unique_fd.hpp"
#include "sandbox/plan_codec.hpp"

namespace vivarium::sandbox {

/// Builds the ruleset that every worker of a zygote restricts itself with: /session writable, the
/// system, the interpreter and the runtime readable, five devices usable, nothing else; no TCP, and
/// no signals or abstract sockets across workers where the kernel knows how.
result<unique_fd> build_ruleset(const jailed_plan& plan);

} // namespace vivarium::sandbox
