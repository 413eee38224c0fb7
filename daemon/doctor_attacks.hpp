// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vivarium {

/// Something that hostile code would try, harmless even where it succeeds: bounded in memory,
/// processes, files and time.
struct trial_attack {
  std::string_view name;
  std::string_view layer;       ///< That stops it, as `sandbox.allow_degraded` names it.
  std::string_view source;      ///< After `attack_prelude`.
  std::string_view proof;       ///< What the answer holds when it was stopped.
  unsigned timeout_ms = 10'000; ///< Long where it is not the deadline that is to stop it.
};

/// What the sources begin with. `port` is one of 127.0.0.1 on which somebody listens.
[[nodiscard]] std::string attack_prelude(std::uint16_t port);

[[nodiscard]] const std::vector<trial_attack>& trial_attacks();

} // namespace vivarium
