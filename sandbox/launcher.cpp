// SPDX-License-Identifier: Apache-2.0
#include "sandbox/launcher.hpp"

#include "sandbox/tmpfs.hpp"
#include "sandbox/zygote_link.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace vivarium::sandbox {

using control::kind;
using control::message;

void launcher::tell(const message& what) const {
  control::send(control::control_fd, what);
}

void launcher::obey(const message& order) {
  switch (order.what) {
    case kind::start_zygote: return start_zygote(order.generation);
    case kind::spawn: return order_worker(order);
    case kind::kill: return kill_worker(order.worker);
    case kind::interrupt: return interrupt_worker(order);
    case kind::resize: return resize_files(order);
    default: return;
  }
}

void launcher::order_worker(const message& order) {
  auto id = order.worker;
  auto* zygote = current_zygote();
  auto [at, fresh] = workers_.try_emplace(id);
  if (!fresh)
    return; // A number is never used twice; the first owner keeps it.
  if (!zygote) {
    fail_worker(id, "no zygote", ESRCH);
    workers_.erase(at);
    return;
  }
  at->second.generation = zygote->generation;
  at->second.awaited = order.argument != 0;
  zygote->queue.push_back(id);
  feed(*zygote);
}

void launcher::kill_worker(std::uint64_t id) {
  auto at = workers_.find(id);
  if (at == workers_.end())
    return;
  at->second.killed = true;
  if (at->second.keeper.pid > 0)
    return end_holder(at->second);
  // Still queued here: it never gets a holder.
  if (auto zygote = zygotes_.find(at->second.generation); zygote != zygotes_.end())
    std::erase(zygote->second.queue, id);
  fail_worker(id, "killed before it was made", ECANCELED);
  workers_.erase(at);
}

void launcher::interrupt_worker(const message& order) const {
  auto at = workers_.find(order.worker);
  if (at == workers_.end() || !at->second.pidfd)
    return;
  siginfo_t info{};
  info.si_signo = order.argument == 0 ? ping_signal() : interrupt_signal();
  info.si_code = SI_QUEUE;
  info.si_value.sival_ptr = reinterpret_cast<void*>(order.argument);
  ::syscall(SYS_pidfd_send_signal, at->second.pidfd.get(), info.si_signo, &info, 0);
}

// The daemon cannot do this as an ordinary user: the file system belongs to the jail's user
// namespace, of which this process is the root.
void launcher::resize_files(const message& order) {
  // What the worker handed over before the order was given may still be in its zygote's socket.
  for (auto& [generation, zygote] : zygotes_)
    drain_link(zygote);
  message done{kind::worker_resized};
  done.worker = order.worker;
  auto at = workers_.find(order.worker);
  if (at == workers_.end() || !at->second.files)
    done.errno_value = ESRCH;
  else
    done.errno_value = resize_tmpfs(at->second.files.get(), order.argument, order.inodes);
  tell(done);
}

bool launcher::drain_control() {
  message order;
  control::extras beside;
  for (int turns = 0; turns < 64; ++turns) {
    switch (control::receive(control::control_fd, order, beside)) {
      case control::receipt::message: obey(order); break;
      case control::receipt::nothing_now: return true;
      case control::receipt::closed:
      case control::receipt::broken: return false;
    }
  }
  return true;
}

std::vector<pollfd> launcher::watched() const {
  std::vector<pollfd> out{{control::control_fd, POLLIN, 0},
                          {control::life_fd, 0, 0},
                          {control::outer_fd, 0, 0},
                          {signals_.get(), POLLIN, 0}};
  for (const auto& [generation, zygote] : zygotes_) {
    out.push_back({zygote.link.get(), POLLIN, 0});
    out.push_back({zygote.said.get(), POLLIN, 0});
  }
  return out;
}

int launcher::serve() {
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGCHLD);
  // NOLINTNEXTLINE(concurrency-mt-unsafe): this process has one thread.
  if (::sigprocmask(SIG_BLOCK, &mask, nullptr) != 0)
    return 1;
  signals_.reset(::signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_)
    return 1;
  for (;;) {
    auto fds = watched();
    if (::poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR)
      return 1;
    if (fds[1].revents != 0 || fds[2].revents != 0)
      return 0; // Daemon or outer process gone: with process 1 the whole jail goes.
    // First what was said, then orders about it, then who died: a zygote's last notes must count.
    for (auto& [generation, zygote] : zygotes_) {
      drain_link(zygote);
      drain_words(zygote);
    }
    if (fds[0].revents != 0 && !drain_control())
      return 0;
    if (fds[3].revents != 0)
      reap();
    bury_zygotes();
  }
}

int run_launcher() {
  for (int fd : {control::outer_fd, control::proc_fd})
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::prctl(PR_SET_DUMPABLE, 0);
  ::setsid();
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
  auto plan = decode_plan(control::plan_fd);
  if (!plan)
    return 1;
  return launcher{std::move(*plan)}.serve();
}

} // namespace vivarium::sandbox
