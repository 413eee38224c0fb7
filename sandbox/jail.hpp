// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"
#include "proto/unique_fd.hpp"
#include "sandbox/limits.hpp"
#include "sandbox/shared_dir.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <sys/types.h>

namespace vivarium::sandbox {

// A jail is where the workers of one environment and trust group live. It is a tree of processes:
// the launcher (`vivarium-zygote`, process 1 of the jail, C++ without Python), beneath it one
// zygote (the preloaded Python) and one holder per worker (process 1 of that worker's pid
// namespace). The daemon speaks to all of them through one control socket and ends them all by
// closing the life line.

/// What a jail is to contain; a value, fixed for the jail's life.
struct jail_plan {
  std::string environment;                 ///< Name of the environment, for logs.
  std::string launcher;                    ///< Path of the program `vivarium-zygote`.
  std::string python = "/usr/bin/python3"; ///< The environment's interpreter, CPython >= 3.11.
  std::string runtime;                     ///< Directory with `_vivarium.abi3.so` and `vivarium/`.
  std::vector<std::string> preload;        ///< Modules that the zygote imports before it forks.
  std::vector<std::string> wrapper; ///< Program and arguments that start the zygote's interpreter.
  std::vector<shared_dir> dirs;     ///< Of the host, that its workers see beyond their own.
  std::vector<std::string> import_paths;  ///< Of the host, first in the zygote's `sys.path`.
  std::optional<std::uint32_t> hash_seed; ///< PYTHONHASHSEED of the zygote.
  worker_limits limits;                   ///< What each worker gets when it is sealed.
  layer_set without;                      ///< Layers knowingly left out; empty in production.
  std::uint32_t uid_base = 1'879'048'192; ///< Root only: first host uid of the jail's 65,536.
};

/// The zygote imported its preload and now forks workers.
struct zygote_ready {
  std::uint32_t generation;
};

/// The zygote is gone; no new worker until `start_zygote()`. Live workers are not affected.
struct zygote_ended {
  std::uint32_t generation;
  int wait_status;
  std::string detail; ///< What it said before it ended, e.g. the name of a missing module.
};

/// A worker is sealed. It has not seen a tenant's byte yet.
struct worker_ready {
  std::uint64_t worker;
  pid_t host_pid;        ///< As the kernel translated it for the daemon, not as the worker said.
  unique_fd to_worker;   ///< Write end of the request pipe; non-blocking.
  unique_fd from_worker; ///< Read end of the answer pipe; non-blocking.
  unique_fd listener;    ///< The seccomp listener; hangs up when the last task of the worker ended.
  fork_size size;        ///< What it was born with.
};

/// A worker could not be made: which step refused, and why.
struct worker_failed {
  std::uint64_t worker;
  std::string step;
  int errno_value;
};

/// A worker ended, as its reaper saw it: unforgeable. Comes before `worker_gone`.
struct worker_exited {
  std::uint64_t worker;
  int wait_status;
  std::chrono::microseconds cpu;
  std::uint64_t peak_memory_bytes;
};

/// Nothing of this worker is left: its holder and all of its pid namespace are reaped.
struct worker_gone {
  std::uint64_t worker;
};

/// A worker's files have the size that was ordered, or (errno) had to keep the one they had.
struct worker_resized {
  std::uint64_t worker;
  int errno_value;
};

/// The launcher closed the control socket: the whole jail is dead or dying.
struct jail_ended {
  std::string detail;
};

using jail_event = std::variant<zygote_ready, zygote_ended, worker_ready, worker_failed,
                                worker_exited, worker_gone, worker_resized, jail_ended>;

/// Owns the processes of one jail. The destructor closes the life line, kills the launcher and
/// reaps it, and with it goes every process of the jail. Not thread safe; no call blocks once
/// started.
class jail {
public:
  /// Starts the launcher by exec. Its success says that the process runs; that the jail stands is
  /// told by `zygote_ready`, that it does not by `zygote_ended` or `jail_ended`.
  static result<jail> start(const jail_plan& plan);

  jail(jail&&) noexcept;
  jail& operator=(jail&&) noexcept;
  ~jail();

  /// Readable when `receive()` has something.
  [[nodiscard]] int control_fd() const noexcept;

  /// Pid of the launcher's outer process, for logs and tests.
  [[nodiscard]] pid_t launcher_pid() const noexcept;

  /// Orders a zygote of the given generation; an older one ends, its workers live on.
  status start_zygote(std::uint32_t generation);

  /// Orders a worker. `worker` is the caller's number for it, never used twice in one jail.
  /// `awaited`: somebody waits for it, so that it should do nothing that only pays later.
  /// Answered by `worker_ready` or `worker_failed`; by `zygote_ended` when the zygote died before
  /// either.
  status spawn(std::uint64_t worker, bool awaited = false);

  /// Kills everything in the worker's pid namespace. Answered by `worker_gone`; idempotent.
  status kill(std::uint64_t worker);

  /// Sends the soft interrupt for the execution `generation` to the worker's main thread; with 0
  /// the question whether it lives, see `ping_signal`.
  status interrupt(std::uint64_t worker, std::uint64_t generation);

  /// Gives a worker's files another size and number of inodes. Answered by `worker_resized`.
  status resize(std::uint64_t worker, std::uint64_t bytes, std::uint32_t inodes);

  /// Returns the next event, or nothing when there is none now.
  std::optional<jail_event> receive();

private:
  struct impl;
  explicit jail(impl* content) noexcept;
  impl* impl_;
};

} // namespace vivarium::sandbox
