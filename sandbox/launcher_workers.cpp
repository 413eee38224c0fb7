// SPDX-License-Identifier: Apache-2.0
#include "sandbox/launcher.hpp"

#include <csignal>

#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace vivarium::sandbox {

using control::kind;
using control::message;

void launcher::fail_worker(std::uint64_t id, std::string_view step, int errno_value) {
  if (auto at = workers_.find(id); at != workers_.end()) {
    if (at->second.answered)
      return;
    at->second.answered = true;
  }
  message failed{kind::worker_failed};
  failed.worker = id;
  failed.errno_value = errno_value;
  failed.say(step);
  tell(failed);
}

void launcher::report_exit(std::uint64_t id, worker& gone, const message& how) {
  if (gone.exited)
    return;
  gone.exited = true;
  by_worker_.erase(gone.pid);
  gone.pidfd.reset();
  gone.files.reset(); // What was in them is freed.
  fail_worker(id, "ended before it was sealed", 0);
  message exited{kind::worker_exited};
  exited.worker = id;
  exited.wait_status = how.wait_status;
  exited.cpu_us = how.cpu_us;
  exited.peak_bytes = how.peak_bytes;
  tell(exited);
  end_holder(gone);
}

void launcher::end_holder(worker& of) {
  if (of.keeper.pid > 0 && !of.keeper_reaped)
    ::kill(of.keeper.pid, SIGKILL); // Our own child, not reaped yet: the pid is still its.
  if (!plan_.has(layer::pid_namespace) && of.pidfd)
    ::syscall(SYS_pidfd_send_signal, of.pidfd.get(), SIGKILL, nullptr, 0);
}

void launcher::finish_if_over(std::uint64_t id) {
  auto at = workers_.find(id);
  if (at == workers_.end())
    return;
  auto& one = at->second;
  bool over = one.keeper_reaped && one.settled && (one.pid == 0 || one.exited);
  if (!over)
    return;
  if (auto made_by = zygotes_.find(one.generation);
      made_by == zygotes_.end() || !made_by->second.reaped)
    fail_worker(id, "killed before it was sealed", ECANCELED);
  else
    fail_worker(id, "the zygote ended", ESRCH);
  message gone{kind::worker_gone};
  gone.worker = id;
  tell(gone);
  uids_.give_back(one.uid);
  workers_.erase(at);
}

void launcher::reaped_one(pid_t pid, int wait_status, const rusage& used) {
  for (auto& [generation, zygote] : zygotes_)
    if (zygote.pid == pid && !zygote.reaped) {
      zygote.reaped = true;
      zygote.wait_status = wait_status;
      return zygote_died(zygote);
    }
  if (auto at = by_holder_.find(pid); at != by_holder_.end()) {
    auto id = at->second;
    by_holder_.erase(at);
    workers_.at(id).keeper_reaped = true;
    return finish_if_over(id);
  }
  auto at = by_worker_.find(pid);
  if (at == by_worker_.end())
    return;
  // Orphan of a zygote that ended: process 1 is its reaper.
  auto id = at->second;
  message how{kind::worker_exited};
  how.wait_status = wait_status;
  how.cpu_us = static_cast<std::uint64_t>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1'000'000
               + static_cast<std::uint64_t>(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
  how.peak_bytes = static_cast<std::uint64_t>(used.ru_maxrss) * 1024;
  report_exit(id, workers_.at(id), how);
  finish_if_over(id);
}

void launcher::reap() {
  signalfd_siginfo ignored[8];
  while (::read(signals_.get(), ignored, sizeof(ignored)) > 0) {
  }
  for (;;) {
    int wait_status = 0;
    rusage used{};
    pid_t pid = ::wait4(-1, &wait_status, WNOHANG, &used);
    if (pid <= 0)
      return;
    // What a zygote reported about this process is still in its socket; it must be heard first.
    for (auto& [generation, zygote] : zygotes_)
      drain_link(zygote);
    reaped_one(pid, wait_status, used);
  }
}

} // namespace vivarium::sandbox
