// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace vivarium::sandbox {

/// File descriptors of a sealed worker: /dev/null, two files on its own tmpfs that catch what
/// native code writes to stdout and stderr, and the two pipes of its channel. Nothing else is open.
inline constexpr int worker_stdin_fd = 0;
inline constexpr int worker_stdout_fd =
    1; ///< Unlinked file on the worker's tmpfs, O_RDWR|O_APPEND.
inline constexpr int worker_stderr_fd = 2;   ///< Likewise.
inline constexpr int worker_requests_fd = 3; ///< Read end, blocking.
inline constexpr int worker_answers_fd = 4;  ///< Write end, blocking.
/// Copies of the two files, which the runtime makes for itself so that code that closes or replaces
/// descriptors 1 and 2 takes nothing from it.
inline constexpr int worker_stdout_copy_fd = 100;
inline constexpr int worker_stderr_copy_fd = 101;

/// The signal that carries a soft interrupt; `si_value.sival_ptr` is the execution's generation.
[[nodiscard]] int interrupt_signal() noexcept;
/// The signal by which a worker is asked whether it lives. Whoever sends an interrupt for the
/// generation 0, which no execution has, sends this one.
[[nodiscard]] int ping_signal() noexcept;

/// The zygote's side of the jail: takes orders from the launcher, forks, seals. Used by the native
/// module, knows nothing of Python. One thread only.
class zygote_link {
public:
  /// Adopts the descriptors that the launcher left for the zygote. Called once, first thing.
  static result<zygote_link> adopt();

  /// Modules that the zygote is to import.
  [[nodiscard]] const std::vector<std::string>& preload() const noexcept { return preload_; }

  /// Reports that the preload failed, with a text for the operator; the caller then exits.
  void report_failure(const std::string& detail) noexcept;

  /// Checks that the process has one thread, builds what all workers share (Landlock ruleset, the
  /// seccomp program), and reports that the zygote is ready.
  status open_for_business();

  /// Blocks until a worker is ordered and returns its number; reaps and reports ended children
  /// meanwhile. Nothing: the launcher is gone or has replaced this zygote, the caller exits.
  std::optional<std::uint64_t> next_order();

  /// Whether somebody waits for the worker that was ordered last.
  [[nodiscard]] bool awaited() const noexcept;

  /// Forks by libc `fork()`. Returns the child's pid in the zygote; returns 0 in the child, which
  /// is then sealed and has told the daemon so. A child that cannot be sealed reports and exits by
  /// itself. A failed fork is reported, and an error returned in the zygote.
  /// In the child `first` is called before anything of it is closed or sealed: what is to be told
  /// of the fork may close files that were open in the zygote.
  result<int> fork_worker(std::uint64_t worker, void (*first)() = nullptr);

private:
  struct shared; // What lives as long as the zygote: descriptors, ruleset, program, plan.
  shared* shared_ = nullptr;
  std::vector<std::string> preload_;
};

} // namespace vivarium::sandbox
