// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/src/child.hpp"

#include <cerrno>
#include <csignal>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

namespace vivarium {
inline namespace client_v1 {
namespace detail {

namespace {

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  out.reserve(texts.size() + 1);
  for (const auto& text : texts)
    out.push_back(const_cast<char*>(text.c_str())); // NOLINT(cppcoreguidelines-pro-type-const-cast)
  out.push_back(nullptr);
  return out;
}

/// In the new process: only system calls from here to exec.
[[noreturn]] void become(char* const* command, char* const* environment, const char* directory,
                         int log, int null, pid_t parent) {
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  // The parent may have died before the line above.
  if (::getppid() == parent && ::dup2(null, 0) == 0 && ::dup2(log, 1) == 1 && ::dup2(log, 2) == 2
      && ::chdir(directory) == 0)
    ::execve(command[0], command, environment);
  ::_exit(127);
}

} // namespace

child::child(std::vector<std::string> command, std::vector<std::string> environment,
             const std::string& directory, const std::string& log) {
  const descriptor out{::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)};
  if (out.get() < 0)
    throw std::system_error{errno, std::generic_category(), "open " + log};
  std::unique_lock lock{mutex_};
  keeper_ = std::thread{[this, &command, &environment, &directory, fd = out.get()] {
    start(command, environment, directory, fd);
    std::unique_lock wait{mutex_};
    started_ = true;
    changed_.notify_all();
    changed_.wait(wait, [this] { return over_; });
  }};
  changed_.wait(lock, [this] { return started_; });
  if (failed_ != 0) {
    over_ = true;
    changed_.notify_all();
    lock.unlock();
    keeper_.join();
    throw std::system_error{failed_, std::generic_category(), "start " + command.front()};
  }
}

void child::start(const std::vector<std::string>& command,
                  const std::vector<std::string>& environment, const std::string& directory,
                  int log) {
  const auto arguments = pointers(command);
  const auto variables = pointers(environment);
  const descriptor null{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
  const pid_t self = ::getpid();
  const pid_t made = ::fork();
  if (made == 0)
    become(arguments.data(), variables.data(), directory.c_str(), log, null.get(), self);
  int failed = made < 0 ? errno : 0;
  descriptor watch;
  if (made > 0) {
    watch = descriptor{static_cast<int>(::syscall(SYS_pidfd_open, made, 0))};
    if (watch.get() < 0) {
      failed = errno;
      ::kill(made, SIGKILL);
      ::waitpid(made, nullptr, 0);
    }
  }
  const std::lock_guard lock{mutex_};
  pid_ = made;
  pidfd_ = std::move(watch);
  failed_ = failed;
}

child::~child() {
  end(std::chrono::milliseconds{0}, manner::end);
  {
    const std::lock_guard lock{mutex_};
    over_ = true;
    changed_.notify_all();
  }
  keeper_.join();
}

int child::end(std::chrono::milliseconds patience, manner how) noexcept {
  if (reaped_)
    return status_;
  if (patience.count() > 0) {
    ::kill(pid_, SIGTERM);
    // Another signal: two of the same would be one when it is slow.
    if (how == manner::end)
      ::kill(pid_, SIGINT);
    pollfd ended{pidfd_.get(), POLLIN, 0};
    // A signal handler may cut the wait short; then the patience begins again, which does no harm.
    while (::poll(&ended, 1, static_cast<int>(patience.count())) < 0 && errno == EINTR) {
    }
    if (ended.revents == 0)
      ::kill(pid_, SIGKILL);
  } else {
    ::kill(pid_, SIGKILL);
  }
  int raw = 0;
  while (::waitpid(pid_, &raw, 0) < 0 && errno == EINTR) {
  }
  reaped_ = true;
  status_ = WIFEXITED(raw) ? WEXITSTATUS(raw) : -WTERMSIG(raw);
  return status_;
}

} // namespace detail
} // namespace client_v1
} // namespace vivarium
