// SPDX-License-Identifier: Apache-2.0
#include "sandbox/zygote_link.hpp"

#include "proto/unique_fd.hpp"
#include "sandbox/control.hpp"
#include "sandbox/kernel.hpp"
#include "sandbox/landlock.hpp"
#include "sandbox/seal.hpp"
#include "sandbox/seccomp_filter.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <memory>
#include <string_view>
#include <unordered_map>

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

namespace vivarium::sandbox {

using control::kind;
using control::message;

struct zygote_link::shared {
  jailed_plan plan;
  std::vector<sock_filter> program;
  unique_fd ruleset;
  unique_fd signals;
  unique_fd own_pidfd;
  unique_fd holder; ///< Of the order being served.
  bool awaited = false;
  sigset_t mask_before{};
  seal_job job;
  std::unordered_map<pid_t, std::uint64_t> children;
};

namespace {

struct own_size {
  std::uint64_t threads = 0;
  std::uint64_t address_space = 0;
  std::uint64_t data = 0;
};

std::uint64_t field(std::string_view text, std::string_view name) {
  auto at = text.find(name);
  if (at == std::string_view::npos)
    return 0;
  at = text.find_first_of("0123456789", at + name.size());
  std::uint64_t value = 0;
  if (at != std::string_view::npos)
    std::from_chars(text.data() + at, text.data() + text.size(), value);
  return value;
}

result<own_size> measure() {
  unique_fd file{::openat(control::zygote_proc_fd, "self/status", O_RDONLY | O_CLOEXEC)};
  if (!file)
    return os_error("openat", "self/status", errno);
  std::array<char, 4096> room{};
  auto n = ::read(file.get(), room.data(), room.size());
  if (n <= 0)
    return os_error("read", "self/status", errno);
  std::string_view text{room.data(), static_cast<std::size_t>(n)};
  return own_size{field(text, "\nThreads:"), field(text, "\nVmSize:") * 1024,
                  field(text, "\nVmData:") * 1024};
}

// Libraries with threads of their own stop them in their fork handlers, and start none again before
// they are used: one fork makes them quiet.
void quieten_libraries() {
  pid_t pid = ::fork();
  if (pid == 0)
    ::_exit(0);
  while (pid > 0 && ::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

result<own_size> measure_with_one_thread() {
  auto size = measure();
  if (size && size->threads > 1) {
    quieten_libraries();
    size = measure();
  }
  if (size && size->threads != 1)
    return error{errc::failed_precondition,
                 "a preloaded module left " + std::to_string(size->threads - 1)
                     + " thread(s) running; a process with threads cannot be forked safely"};
  return size;
}

int to_wait_status(const siginfo_t& info) {
  if (info.si_code == CLD_EXITED)
    return (info.si_status & 0xff) << 8;
  return (info.si_status & 0x7f) | (info.si_code == CLD_DUMPED ? 0x80 : 0);
}

std::uint64_t cpu_of(const rusage& used) {
  return static_cast<std::uint64_t>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1'000'000
         + static_cast<std::uint64_t>(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

// Reports first and reaps then: whichever of zygote and launcher is alive, one of them tells.
void report_ended(std::unordered_map<pid_t, std::uint64_t>& children) {
  for (;;) {
    siginfo_t info{};
    rusage used{};
    if (::syscall(SYS_waitid, P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT, &used) != 0
        || info.si_pid == 0)
      return;
    if (auto at = children.find(info.si_pid); at != children.end()) {
      message exited{kind::worker_exited};
      exited.worker = at->second;
      exited.wait_status = to_wait_status(info);
      exited.cpu_us = cpu_of(used);
      exited.peak_bytes = static_cast<std::uint64_t>(used.ru_maxrss) * 1024;
      control::send(control::zygote_link_fd, exited);
      children.erase(at);
    }
    ::waitpid(info.si_pid, nullptr, 0);
  }
}

void refuse(std::uint64_t worker, const char* step, int errno_value) {
  message failed{kind::worker_failed};
  failed.worker = worker;
  failed.errno_value = errno_value;
  failed.pid = -1; // There is no child.
  failed.say(step);
  control::send(control::zygote_link_fd, failed);
}

} // namespace

namespace {

// Takes the numbers that a worker's channel will have. A module that is preloaded may keep a file
// open, as matplotlib does with its fonts, and close it in a child: that must not be the channel.
bool keep_channel_numbers() {
  unique_fd null{::open("/dev/null", O_RDWR | O_CLOEXEC)};
  if (!null)
    return false;
  for (int fd :
       {worker_requests_fd, worker_answers_fd, worker_stdout_copy_fd, worker_stderr_copy_fd})
    if (null.get() != fd && ::dup3(null.get(), fd, O_CLOEXEC) < 0)
      return false;
  if (null.get() == worker_requests_fd || null.get() == worker_answers_fd)
    (void)null.release();
  return true;
}

} // namespace

result<zygote_link> zygote_link::adopt() {
  for (int fd : {control::zygote_control_fd, control::zygote_link_fd, control::zygote_plan_fd,
                 control::zygote_proc_fd})
    if (::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
      return error{errc::failed_precondition, "a zygote is started by vivarium-zygote only"};
  if (!keep_channel_numbers())
    return os_error("dup3", "/dev/null", errno);
  auto plan = decode_plan(control::zygote_plan_fd);
  if (!plan)
    return error{errc::malformed, "the plan cannot be read"};
  zygote_link out;
  out.preload_ = plan->plan.preload;
  // Lives until the process ends, in the zygote and in every fork of it.
  out.shared_ = new shared;
  out.shared_->plan = std::move(*plan);
  return out;
}

void zygote_link::report_failure(const std::string& detail) noexcept {
  message failed{kind::preload_failed};
  failed.say(detail);
  control::send(control::zygote_link_fd, failed);
}

status zygote_link::open_for_business() {
  auto size = measure_with_one_thread();
  if (!size)
    return size.why();
  auto& plan = shared_->plan;
  auto compiled =
      compile_filter(plan.has(layer::seccomp) ? filter_kind::strict : filter_kind::allow_all);
  if (!compiled)
    return compiled.why();
  shared_->program = std::move(*compiled);
  if (plan.has(layer::landlock)) {
    auto ruleset = build_ruleset(plan);
    if (!ruleset)
      return ruleset.why();
    // Above the numbers that a worker's own descriptors are put at before it restricts itself.
    shared_->ruleset.reset(::fcntl(ruleset->get(), F_DUPFD_CLOEXEC, control::zygote_proc_fd + 1));
    if (!shared_->ruleset)
      return os_error("fcntl", "F_DUPFD_CLOEXEC", errno);
  }
  shared_->own_pidfd.reset(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  if (!shared_->own_pidfd)
    return os_error("pidfd_open", "", errno);
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGCHLD);
  // NOLINTNEXTLINE(concurrency-mt-unsafe): this process has one thread.
  if (::sigprocmask(SIG_BLOCK, &mask, &shared_->mask_before) != 0)
    return os_error("sigprocmask", "", errno);
  shared_->signals.reset(::signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!shared_->signals)
    return os_error("signalfd", "", errno);
  if (plan.has(layer::capabilities))
    if (auto dropped = drop_bounding_set(); !dropped)
      return dropped.why();
  auto& job = shared_->job;
  job.without = plan.plan.without;
  job.mode = plan.mode;
  job.control = control::zygote_control_fd;
  job.link = control::zygote_link_fd;
  job.proc = control::zygote_proc_fd;
  job.ruleset = shared_->ruleset.get();
  job.program = {static_cast<unsigned short>(shared_->program.size()), shared_->program.data()};
  job.limits = plan.plan.limits;
  job.size = {size->address_space, size->data};
  if (int problem = control::send(control::zygote_link_fd, message{kind::zygote_ready}); problem)
    return os_error("send", "to the launcher", problem);
  return done{};
}

std::optional<std::uint64_t> zygote_link::next_order() {
  pollfd watched[] = {{control::zygote_link_fd, POLLIN, 0}, {shared_->signals.get(), POLLIN, 0}};
  for (;;) {
    if (::poll(watched, 2, -1) < 0 && errno != EINTR)
      return std::nullopt;
    if (watched[1].revents != 0) {
      signalfd_siginfo ignored[8];
      while (::read(shared_->signals.get(), ignored, sizeof(ignored)) > 0) {
      }
      report_ended(shared_->children);
    }
    if (watched[0].revents == 0)
      continue;
    message order;
    control::extras beside;
    auto got = control::receive(control::zygote_link_fd, order, beside);
    if (got == control::receipt::nothing_now)
      continue;
    if (got != control::receipt::message)
      return std::nullopt;
    if (order.what != kind::spawn || beside.fd_count != 1)
      continue;
    shared_->holder.reset(beside.fds[0]);
    shared_->awaited = order.argument != 0;
    prepare_job(shared_->job, order.worker, order.uid);
    return order.worker;
  }
}

bool zygote_link::awaited() const noexcept {
  return shared_->awaited;
}

result<int> zygote_link::fork_worker(std::uint64_t worker, void (*first)()) {
  bool own_space = shared_->plan.has(layer::pid_namespace);
  int holder = shared_->holder.get();
  // Only children are born there; the zygote itself stays where it is.
  if (own_space && ::setns(holder, CLONE_NEWPID) != 0) {
    int why = errno;
    shared_->holder.reset();
    refuse(worker, "setns to the holder", why);
    return os_error("setns", "the holder", why);
  }
  // libc's, not the system call: its handlers make malloc and the libraries' threads safe.
  pid_t pid = ::fork();
  int why = errno;
  if (pid == 0) {
    if (first != nullptr)
      first();
    // NOLINTNEXTLINE(concurrency-mt-unsafe): this process has one thread.
    ::sigprocmask(SIG_SETMASK, &shared_->mask_before, nullptr);
    seal_worker(shared_->job);
    // The objects know nothing of close_range; their numbers must never be closed again here.
    for (auto* fd : {&shared_->ruleset, &shared_->signals, &shared_->own_pidfd, &shared_->holder})
      static_cast<void>(fd->release());
    return 0;
  }
  unique_fd pidfd;
  if (pid > 0) // Not reaped yet: the number is certainly the child's.
    pidfd.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  // A zygote that cannot come back would put the next tenant's worker into this one's namespace.
  if (own_space && ::setns(shared_->own_pidfd.get(), CLONE_NEWPID) != 0)
    ::_exit(124);
  shared_->holder.reset();
  if (pid < 0) {
    refuse(worker, "fork", why);
    return os_error("fork", "of a worker", why);
  }
  shared_->children.emplace(pid, worker);
  message forked{kind::worker_forked};
  forked.worker = worker;
  forked.pid = pid;
  int fd = pidfd.get();
  control::send(control::zygote_link_fd, forked, &fd, pidfd ? 1 : 0);
  return static_cast<int>(pid);
}

} // namespace vivarium::sandbox
