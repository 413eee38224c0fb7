// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"
#include "sandbox/host.hpp"

#include <iosfwd>
#include <string>
#include <vector>

namespace vivarium {

/// Prints what the machine offers and how to mend what is missing. Returns whether everything that
/// is required is there.
bool print_facts(std::ostream& out, const std::vector<sandbox::host_fact>& facts);

/// Refuses with `sandbox_unavailable` when a required layer is missing that `accepted` does not
/// name; says which, why, and how to mend it.
[[nodiscard]] status require_layers(const std::vector<sandbox::host_fact>& facts,
                                    const std::vector<std::string>& accepted);

} // namespace vivarium
