// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sandbox/plan_codec.hpp"

#include <array>
#include <cstdint>
#include <string>

#include <linux/filter.h>

namespace vivarium::sandbox {

/// Everything that sealing needs, prepared by the zygote before it forks: the child allocates
/// nothing, parses nothing, and meets nothing that a tenant chose.
struct seal_job {
  // The same for all workers of a zygote.
  layer_set without;
  uid_mode mode = uid_mode::single;
  int control = -1;
  int link = -1;
  int proc = -1;
  int ruleset = -1;
  sock_fprog program{};
  fork_size size;
  worker_limits limits;
  // This worker's.
  std::uint64_t worker = 0;
  std::uint32_t uid = 0; ///< 0: stays the jail's root (single-uid mode).
  std::array<char, 128> tmpfs_options{};
  std::string passwd;
  std::string group;

  [[nodiscard]] bool has(layer which) const noexcept { return !without.contains(which); }
};

/// Fills in what differs between workers. In the zygote, before the fork.
void prepare_job(seal_job& job, std::uint64_t worker, std::uint32_t uid);

/// Removes what the zygote itself will never need again and what its workers need not drop one by
/// one: the capability bounding set. It does not exec after this.
status drop_bounding_set();

/// Turns this process, a fresh child of the zygote, into a sealed worker and tells the daemon and
/// the launcher so. A step that fails is reported to the launcher, and the process exits.
void seal_worker(const seal_job& job) noexcept;

} // namespace vivarium::sandbox
