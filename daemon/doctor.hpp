// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/config.hpp"
#include "proto/result.hpp"
#include "sandbox/host.hpp"

#include <iosfwd>
#include <string>
#include <vector>

namespace vivarium {

enum class report_form : std::uint8_t { text, json };

/// Prints what the machine offers and how to mend what is missing. Returns whether everything that
/// is required is there.
bool print_facts(std::ostream& out, const std::vector<sandbox::host_fact>& facts,
                 report_form form = report_form::text);

/// Whether the packages are there that the environments need which come with the daemon. Asks their
/// interpreters; blocks.
[[nodiscard]] std::vector<sandbox::host_fact> shipped_environments();

/// Attacks a daemon of its own that has the sandbox of `as`, beside a neighbour whose answers must
/// stay right, and prints what came of each attack: *held*; *degraded*, when the layer that is to
/// stop it is left out and another one did; *broken*. Bounded in memory, processes and time, and
/// leaves nothing behind. Returns whether all held. Blocks for some seconds.
bool print_attacks(std::ostream& out, const config& as, report_form form);

/// Refuses with `sandbox_unavailable` when a required layer is missing that `accepted` does not
/// name; says which, why, and how to mend it.
[[nodiscard]] status require_layers(const std::vector<sandbox::host_fact>& facts,
                                    const std::vector<std::string>& accepted);

} // namespace vivarium
