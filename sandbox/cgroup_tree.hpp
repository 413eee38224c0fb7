// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/unique_fd.hpp"
#include "sandbox/cgroup.hpp"

#include <map>
#include <set>
#include <string>

namespace vivarium::sandbox {

// A daemon's groups are
//
//   SITE/vivarium.N/            one daemon's, locked while it lives
//     daemon/                   itself and what it starts, when SITE was its own group
//     t.TENANT/                 weight and memory of a tenant
//       SESSION/                one session's worker and all that it starts
//
// What a daemon leaves behind when it is killed is found by the lock that nobody holds, killed and
// removed by whoever starts next.

/// The control groups of a daemon. Every call but the readings may block (moving a process waits
/// for the kernel): not for the reactor's thread. Not thread-safe.
class cgroup_tree {
public:
  /// Takes a place at the site, moves this process if it must, shares the controllers out and
  /// removes what dead daemons left there.
  static result<cgroup_tree> open(const cgroup_site& site);

  /// Folder of a session's group, made with its limits around `member`, which is moved into it. The
  /// names are the daemon's ids and checked names.
  result<std::string> place(const std::string& tenant, const std::string& session,
                            const cgroup_limits& limits, pid_t member);

  /// Sets what a tenant's sessions are held to together; a limit that is absent is taken away.
  status limit_tenant(const std::string& tenant, const cgroup_limits& limits);

  /// Has a tenant's sessions run only when no other group wants to (cpu.idle, kernel 5.15), or as
  /// their weight says again.
  status put_behind(const std::string& tenant, bool behind);

  /// Kills everything in a group and removes it. Waits a bounded time for the kernel to finish.
  static status end(const std::string& folder);

  /// Kills and removes everything below a folder, and the folder itself.
  static status remove_all(const std::string& folder);

  /// Removes what is left of it; of a daemon that moved itself into it, the next one does.
  void finish() const;

  /// What the kernel counted; the events of a group without controllers are 0. Does not block.
  [[nodiscard]] static cgroup_reading read(const std::string& folder);

  [[nodiscard]] const std::string& folder() const noexcept { return folder_; }
  [[nodiscard]] const cgroup_site& site() const noexcept { return site_; }
  /// How many leftovers of dead daemons were removed.
  [[nodiscard]] std::size_t reclaimed() const noexcept { return reclaimed_; }

private:
  cgroup_tree(cgroup_site site, std::string folder, unique_fd lock)
      : site_{std::move(site)}, folder_{std::move(folder)}, lock_{std::move(lock)} {}
  [[nodiscard]] status share_controllers(const std::string& folder) const;
  [[nodiscard]] status write_limits(const std::string& folder, const cgroup_limits& limits) const;
  result<std::string> folder_of(const std::string& tenant);

  std::set<std::string> behind_;                 // tenants
  std::map<std::string, std::uint64_t> weights_; // of tenants
  cgroup_site site_;
  std::string folder_;
  unique_fd lock_;
  std::size_t reclaimed_ = 0;
};

} // namespace vivarium::sandbox
