// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"
#include "proto/unique_fd.hpp"

#include <cstdint>

namespace vivarium::sandbox {

/// Host uids of one jail, and how many jails a claim has room for.
inline constexpr std::uint32_t uids_per_jail = 65'536;
inline constexpr std::uint32_t jails_per_claim = 64;

/// A range of host uids that this process alone uses on the machine, for `jails_per_claim` jails.
/// Two daemons with the same range would share the kernel's per-uid quotas, and so could starve
/// each other. Held by a name in the abstract socket namespace, which the kernel frees with the
/// process.
class uid_claim {
public:
  /// Claims the first free range at or after `base`. Error: all are taken.
  static result<uid_claim> take(std::uint32_t base);

  /// First uid of jail number `index`, below `jails_per_claim`.
  [[nodiscard]] std::uint32_t base_of(std::uint32_t index) const noexcept {
    return first_ + index * uids_per_jail;
  }

private:
  uid_claim(unique_fd held, std::uint32_t first) noexcept : held_{std::move(held)}, first_{first} {}

  unique_fd held_;
  std::uint32_t first_;
};

} // namespace vivarium::sandbox
