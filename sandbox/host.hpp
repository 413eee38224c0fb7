// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sandbox/cgroup.hpp"

#include <string>
#include <vector>

namespace vivarium::sandbox {

/// One thing that the sandbox wants from the machine, as found.
struct host_fact {
  std::string name; ///< E.g. "landlock", "cgroup_v2".
  bool present = false;
  bool required = false;
  std::string finding; ///< What was seen, e.g. "ABI 6".
  std::string remedy;  ///< How to mend it; empty when present.
  /// Required, but `allow_degraded` may do without the layer of that name.
  bool dispensable = false;
};

/// Tries every layer that the sandbox uses, in throw-away child processes where trying changes the
/// process. Blocks for some milliseconds: start-up and `vivariumd doctor` only.
[[nodiscard]] std::vector<host_fact> probe_host(const cgroup_choice& cgroups = {});

/// Asks the kernel to kill other processes rather than this one when memory runs out; what it
/// starts is told otherwise. Where that is not allowed it stays as it is.
void prefer_other_victims();

} // namespace vivarium::sandbox
