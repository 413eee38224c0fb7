// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"
#include "sandbox/limits.hpp"

#include <chrono>
#include <cstdint>
#include <optional>

#include <sys/types.h>

namespace vivarium::sandbox {

/// Looks at a worker from outside, through /proc, before its first tenant byte: seccomp filter on,
/// no_new_privs, no capabilities, one thread, not host uid 0, exactly the documented descriptors.
/// The error names what is wrong. Layers in `without` are not asked for. About 20 us; any thread.
status attest_worker(pid_t host_pid, layer_set without);

/// The process that a thread belongs to, as the daemon sees both; 0: it is gone.
[[nodiscard]] pid_t process_of(pid_t thread);

/// CPU time that all threads of a process have used, read without its help. Nothing: it is gone.
std::optional<std::chrono::microseconds> cpu_time_of(pid_t host_pid);

/// Resident memory of a process in bytes, read without its help. Nothing: it is gone.
std::optional<std::uint64_t> resident_bytes_of(pid_t host_pid);

/// Peak resident memory (VmHWM) of a process in bytes. Nothing: it is gone.
std::optional<std::uint64_t> peak_resident_bytes_of(pid_t host_pid);

/// Whether a thread has not yet taken the soft interrupt that was sent to it or to its process.
[[nodiscard]] bool has_pending_interrupt(pid_t thread);

} // namespace vivarium::sandbox
