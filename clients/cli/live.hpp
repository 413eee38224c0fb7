// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "clients/cli/address.hpp"
#include "clients/cli/interrupts.hpp"
#include "proto/result.hpp"

#include <vivarium/v1/execution.pb.h>

#include <string>

namespace vivarium::cli {

class api;

/// Where requests go and how they are allowed in.
struct server {
  address where;
  std::string api_key;
};

/// Starts `what` in its session and shows its output as it comes. The first Ctrl-C cancels the
/// execution, which the daemon enforces after its grace period; the session is kept when the code
/// yields. Returns the verdict.
result<v1::Verdict> run_live(const server& to, api& calls, const v1::EvalRequest& what,
                             const interrupts& keyboard);

} // namespace vivarium::cli
