// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the running kernel may offer and Debian 12's headers or C library do not name yet. All calls
// are plain system calls: no allocation, no lock, so they may be used between fork and seal.

#include <cstddef>
#include <cstdint>

#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

namespace vivarium::sandbox::kernel {

// Landlock rights by the ABI that brought them (Debian 12's header ends with ABI 2).
inline constexpr std::uint64_t fs_refer = 1ull << 13;    // ABI 2
inline constexpr std::uint64_t fs_truncate = 1ull << 14; // ABI 3
inline constexpr std::uint64_t net_bind_tcp = 1ull << 0; // ABI 4
inline constexpr std::uint64_t net_connect_tcp = 1ull << 1;
inline constexpr std::uint64_t fs_ioctl_dev = 1ull << 15;       // ABI 5
inline constexpr std::uint64_t scope_abstract_unix = 1ull << 0; // ABI 6
inline constexpr std::uint64_t scope_signal = 1ull << 1;

// Of a seccomp listener, kernel 6.6.
inline constexpr unsigned long notif_set_flags = SECCOMP_IOW(4, std::uint64_t);
inline constexpr unsigned long notif_sync_wake_up = 1;

/// The ruleset attribute as of ABI 6; older kernels are given its first bytes only.
struct landlock_ruleset {
  std::uint64_t handled_fs;
  std::uint64_t handled_net;
  std::uint64_t scoped;
};

/// Returns how many bytes of `landlock_ruleset` a kernel of this ABI reads.
constexpr std::size_t ruleset_size(int abi) noexcept {
  return abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
}

inline int landlock_create(const landlock_ruleset* attr, std::size_t size, unsigned flags) {
  return static_cast<int>(::syscall(SYS_landlock_create_ruleset, attr, size, flags));
}
inline int landlock_add(int ruleset, const landlock_path_beneath_attr* rule) {
  return static_cast<int>(
      ::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, rule, 0));
}
inline int landlock_restrict(int ruleset) {
  return static_cast<int>(::syscall(SYS_landlock_restrict_self, ruleset, 0));
}

/// Returns the Landlock ABI of the running kernel, 0 when there is none.
inline int landlock_abi() {
  int abi = landlock_create(nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return abi > 0 ? abi : 0;
}

inline int seccomp(unsigned operation, unsigned flags, void* argument) {
  return static_cast<int>(::syscall(SYS_seccomp, operation, flags, argument));
}

/// `clone` without a shared address space: a fork whose child starts in the given namespaces.
/// `pidfd`, when not null, receives a descriptor of the child.
inline pid_t clone_process(unsigned long flags, int* pidfd) {
  constexpr unsigned long with_pidfd = 0x1000; // CLONE_PIDFD
  constexpr unsigned long sigchld = 17;
  unsigned long all = flags | sigchld | (pidfd ? with_pidfd : 0);
  return static_cast<pid_t>(::syscall(SYS_clone, all, nullptr, pidfd, nullptr, 0));
}

inline int close_from(unsigned first) {
  return static_cast<int>(::syscall(SYS_close_range, first, ~0u, 0));
}

} // namespace vivarium::sandbox::kernel
