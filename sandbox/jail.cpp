// SPDX-License-Identifier: Apache-2.0
#include "sandbox/jail.hpp"

#include "sandbox/control.hpp"
#include "sandbox/plan_codec.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <unordered_set>

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

namespace vivarium::sandbox {

using control::kind;
using control::message;

struct jail::impl {
  unique_fd control;
  unique_fd life; ///< Write end; nothing is ever written.
  pid_t pid = -1; ///< The outer process; ours to reap, so the number stays its.
  std::string failure;
  bool ended = false;
  std::unordered_set<std::uint64_t> pending; ///< Ordered, neither ready nor failed.

  impl() = default;
  impl(const impl&) = delete;
  impl& operator=(const impl&) = delete;
  ~impl();

  status order(const message& what) const;
  std::optional<jail_event> translate(const message& what, control::extras& beside);
  jail_event end();
};

namespace {

// Above the numbers that the launcher expects them at, so that no dup2 overwrites a later source.
result<unique_fd> out_of_the_way(const unique_fd& fd) {
  unique_fd high{::fcntl(fd.get(), F_DUPFD_CLOEXEC, 16)};
  if (!high)
    return os_error("fcntl", "F_DUPFD_CLOEXEC", errno);
  return high;
}

class spawn_settings {
public:
  spawn_settings() {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawnattr_init(&attributes_);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    ::posix_spawn_file_actions_addopen(&actions_, 0, "/dev/null", O_RDONLY, 0);
  }
  spawn_settings(const spawn_settings&) = delete;
  spawn_settings& operator=(const spawn_settings&) = delete;
  ~spawn_settings() {
    ::posix_spawnattr_destroy(&attributes_);
    ::posix_spawn_file_actions_destroy(&actions_);
  }
  void place(int from, int to) { ::posix_spawn_file_actions_adddup2(&actions_, from, to); }
  result<pid_t> run(const std::string& program) {
    ::posix_spawn_file_actions_addclosefrom_np(&actions_, control::plan_fd + 1);
    char name[] = "vivarium-zygote";
    char* arguments[] = {name, nullptr};
    char* environment[] = {nullptr};
    pid_t pid = -1;
    int code =
        ::posix_spawn(&pid, program.c_str(), &actions_, &attributes_, arguments, environment);
    if (code != 0)
      return os_error("posix_spawn", program, code);
    return pid;
  }

private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

result<pid_t> spawn_launcher(const std::string& program, const unique_fd& control,
                             const unique_fd& life, const unique_fd& plan) {
  auto high_control = out_of_the_way(control);
  if (!high_control)
    return high_control.why();
  auto high_life = out_of_the_way(life);
  if (!high_life)
    return high_life.why();
  auto high_plan = out_of_the_way(plan);
  if (!high_plan)
    return high_plan.why();
  spawn_settings settings;
  settings.place(high_control->get(), control::control_fd);
  settings.place(high_life->get(), control::life_fd);
  settings.place(high_plan->get(), control::plan_fd);
  return settings.run(program);
}

void close_all(control::extras& beside) {
  for (int i = 0; i < beside.fd_count; ++i)
    ::close(beside.fds[i]);
  beside.fd_count = 0;
}

} // namespace

jail::impl::~impl() {
  control.reset();
  life.reset();
  if (pid <= 0)
    return;
  // Its death signal ends process 1, and that the rest.
  ::kill(pid, SIGKILL);
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

status jail::impl::order(const message& what) const {
  if (ended)
    return error{errc::unavailable, "the jail has ended"};
  int problem = control::send(control.get(), what);
  if (problem == EAGAIN)
    return error{errc::unavailable, "the launcher is behind with its orders"};
  if (problem != 0)
    return error{errc::unavailable, os_error("send", "to the launcher", problem).detail};
  return done{};
}

jail_event jail::impl::end() {
  ended = true;
  return jail_ended{failure.empty() ? "the launcher ended" : failure};
}

std::optional<jail_event> jail::impl::translate(const message& what, control::extras& beside) {
  switch (what.what) {
    case kind::zygote_ready: return zygote_ready{what.generation};
    case kind::zygote_ended:
      return zygote_ended{what.generation, what.wait_status, std::string{what.view()}};
    case kind::worker_ready: {
      if (pending.erase(what.worker) == 0)
        return std::nullopt;
      if (beside.fd_count != 3) {
        // The kernel drops descriptors for which this process has no room. Whoever ordered the
        // worker must hear of it, or the next one is ordered at once, for ever.
        message end{kind::kill};
        end.worker = what.worker;
        static_cast<void>(order(end)); // Without its pipes it ends anyway.
        return worker_failed{what.worker, "descriptors", EMFILE};
      }
      worker_ready ready{what.worker,
                         beside.sender,
                         unique_fd{beside.fds[0]},
                         unique_fd{beside.fds[1]},
                         unique_fd{beside.fds[2]},
                         fork_size{what.address_space, what.data}};
      beside.fd_count = 0;
      return ready;
    }
    case kind::worker_failed:
      // A worker that was killed in the instant between its own report and the launcher's knowing.
      if (pending.erase(what.worker) == 0)
        return std::nullopt;
      return worker_failed{what.worker, std::string{what.view()}, what.errno_value};
    case kind::worker_exited:
      return worker_exited{what.worker, what.wait_status, std::chrono::microseconds{what.cpu_us},
                           what.peak_bytes};
    case kind::worker_gone: return worker_gone{what.worker};
    case kind::worker_resized: return worker_resized{what.worker, what.errno_value};
    case kind::jail_failed: failure = what.view(); return std::nullopt;
    default: return std::nullopt;
  }
}

result<jail> jail::start(const jail_plan& plan) {
  if (::access(plan.python.c_str(), X_OK) != 0)
    return os_error("the interpreter", plan.python, errno);
  jailed_plan told;
  told.plan = plan;
  told.outer_uid = ::geteuid();
  told.outer_gid = ::getegid();
  told.mode = told.outer_uid == 0 ? uid_mode::range : uid_mode::single;
  if (told.mode == uid_mode::range && plan.uid_base == 0)
    return error{errc::invalid_argument, "uid_base must not be 0: host root never enters a jail"};
  auto encoded = encode_plan(told);
  if (!encoded)
    return encoded.why();
  int pair[2];
  int line[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
    return os_error("socketpair", "", errno);
  unique_fd ours{pair[0]};
  unique_fd theirs{pair[1]};
  if (::pipe2(line, O_CLOEXEC) != 0)
    return os_error("pipe2", "", errno);
  unique_fd line_end{line[0]};
  unique_fd life{line[1]};
  int yes = 1;
  int room = 1 << 20; // The kernel cuts it to what it allows.
  ::setsockopt(ours.get(), SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
  ::setsockopt(theirs.get(), SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
  if (::setsockopt(ours.get(), SOL_SOCKET, SO_PASSCRED, &yes, sizeof(yes)) != 0)
    return os_error("setsockopt", "SO_PASSCRED", errno);
  if (::fcntl(ours.get(), F_SETFL, O_NONBLOCK) != 0)
    return os_error("fcntl", "O_NONBLOCK", errno);
  auto pid = spawn_launcher(plan.launcher, theirs, line_end, *encoded);
  if (!pid)
    return pid.why();
  auto* content = new impl;
  content->control = std::move(ours);
  content->life = std::move(life);
  content->pid = *pid;
  return jail{content};
}

jail::jail(impl* content) noexcept : impl_{content} {}
jail::jail(jail&& other) noexcept : impl_{std::exchange(other.impl_, nullptr)} {}
jail& jail::operator=(jail&& other) noexcept {
  std::swap(impl_, other.impl_);
  return *this;
}
jail::~jail() {
  delete impl_;
}

int jail::control_fd() const noexcept {
  return impl_->control.get();
}

pid_t jail::launcher_pid() const noexcept {
  return impl_->pid;
}

status jail::start_zygote(std::uint32_t generation) {
  message order{kind::start_zygote};
  order.generation = generation;
  return impl_->order(order);
}

status jail::spawn(std::uint64_t worker, bool awaited) {
  message order{kind::spawn};
  order.worker = worker;
  order.argument = awaited ? 1 : 0;
  auto sent = impl_->order(order);
  if (sent)
    impl_->pending.insert(worker);
  return sent;
}

status jail::kill(std::uint64_t worker) {
  message order{kind::kill};
  order.worker = worker;
  return impl_->order(order);
}

status jail::interrupt(std::uint64_t worker, std::uint64_t generation) {
  message order{kind::interrupt};
  order.worker = worker;
  order.argument = generation;
  return impl_->order(order);
}

status jail::resize(std::uint64_t worker, std::uint64_t bytes, std::uint32_t inodes) {
  message order{kind::resize};
  order.worker = worker;
  order.argument = bytes;
  order.inodes = inodes;
  return impl_->order(order);
}

std::optional<jail_event> jail::receive() {
  while (!impl_->ended) {
    message what;
    control::extras beside;
    switch (control::receive(impl_->control.get(), what, beside)) {
      case control::receipt::nothing_now: return std::nullopt;
      case control::receipt::closed:
      case control::receipt::broken: return impl_->end();
      case control::receipt::message: break;
    }
    auto event = impl_->translate(what, beside);
    close_all(beside);
    if (event)
      return event;
  }
  return std::nullopt;
}

} // namespace vivarium::sandbox
