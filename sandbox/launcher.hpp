// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/unique_fd.hpp"
#include "sandbox/control.hpp"
#include "sandbox/holder.hpp"
#include "sandbox/plan_codec.hpp"
#include "sandbox/uid_pool.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include <poll.h>
#include <sys/resource.h>

namespace vivarium::sandbox {

/// Process 1 of a jail: obeys the daemon, starts zygotes and holders, reaps, reports. Single
/// thread, one poll loop, no tenant's byte ever reaches it. Every worker that was ordered gets
/// exactly one of `worker_ready` (said by itself) and `worker_failed`; every one that got a holder
/// gets exactly one `worker_gone`, and before that `worker_exited` if it was ever forked.
class launcher {
public:
  explicit launcher(jailed_plan plan) : plan_{std::move(plan)} {}

  /// Serves until the daemon or the outer process is gone. Returns the exit code.
  int serve();

private:
  struct zygote {
    std::uint32_t generation = 0;
    pid_t pid = -1;
    unique_fd link;
    unique_fd said; ///< Its stderr.
    std::string last_words;
    std::string failure;             ///< What it reported itself.
    std::deque<std::uint64_t> queue; ///< Ordered, not yet sent to it.
    std::uint32_t in_flight = 0;     ///< Sent to it, not yet forked.
    bool ready = false;
    bool retired = false; ///< Replaced: takes no more orders.
    bool reaped = false;
    int wait_status = 0;
  };
  struct worker {
    std::uint32_t generation = 0;
    std::uint32_t uid = 0;
    bool awaited = false; ///< The zygote is told so.
    holder keeper;
    bool keeper_reaped = false;
    pid_t pid = 0;
    pid_t said_pid = 0; ///< Of the sender of its own `worker_ready`, as the kernel says.
    unique_fd pidfd;
    unique_fd files;       ///< Root of its tmpfs.
    bool settled = false;  ///< The zygote will say no more about the fork.
    bool answered = false; ///< `worker_ready` or `worker_failed` was said.
    bool exited = false;   ///< `worker_exited` was said.
    bool killed = false;
  };
  using worker_entry = std::unordered_map<std::uint64_t, worker>::iterator;

  // launcher.cpp: the loop and the daemon's orders
  void obey(const control::message& order);
  void order_worker(const control::message& order);
  void kill_worker(std::uint64_t id);
  void interrupt_worker(const control::message& order) const;
  void resize_files(const control::message& order);
  bool drain_control();
  [[nodiscard]] std::vector<pollfd> watched() const;
  void tell(const control::message& what) const;

  // launcher_zygote.cpp: zygotes and what they say
  void start_zygote(std::uint32_t generation);
  void retire(zygote& old);
  void feed(zygote& to);
  void drain_link(zygote& from);
  void hear(zygote& from, const control::message& note, control::extras& beside);
  static void drain_words(zygote& from);
  void zygote_died(zygote& dead);
  void adopt_orphan(std::uint64_t id, worker& of);
  void bury_zygotes();
  zygote* current_zygote();

  // launcher_workers.cpp: what becomes of workers
  void fail_worker(std::uint64_t id, std::string_view step, int errno_value);
  void report_exit(std::uint64_t id, worker& gone, const control::message& how);
  void end_holder(worker& of);
  void finish_if_over(std::uint64_t id);
  void reap();
  void reaped_one(pid_t pid, int wait_status, const rusage& used);

  jailed_plan plan_;
  uid_pool uids_;
  unique_fd signals_;
  bool refused_ = false; ///< The control socket broke.
  std::map<std::uint32_t, zygote> zygotes_;
  std::unordered_map<std::uint64_t, worker> workers_;
  std::unordered_map<pid_t, std::uint64_t> by_holder_;
  std::unordered_map<pid_t, std::uint64_t> by_worker_;
};

/// Runs the launcher in this process. Returns the exit code.
int run_launcher();

} // namespace vivarium::sandbox
