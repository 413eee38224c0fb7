// SPDX-License-Identifier: Apache-2.0
#include "sandbox/helper_program.hpp"

#include "proto/unique_fd.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace vivarium::sandbox {

namespace {

constexpr off_t most_said = 2'048;

std::vector<char*> pointers_to(const std::vector<std::string>& all) {
  std::vector<char*> out;
  for (const auto& one : all)
    out.push_back(const_cast<char*>(one.c_str()));
  out.push_back(nullptr);
  return out;
}

std::string end_of(const unique_fd& file) {
  struct stat what {};
  std::string out;
  if (::fstat(file.get(), &what) != 0)
    return out;
  out.resize(static_cast<std::size_t>(std::min(what.st_size, most_said)));
  auto n =
      ::pread(file.get(), out.data(), out.size(), what.st_size - static_cast<off_t>(out.size()));
  out.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  while (!out.empty() && out.back() == '\n')
    out.pop_back();
  return out;
}

struct spawn_wish {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t how;

  explicit spawn_wish(int errors) {
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
    ::posix_spawn_file_actions_adddup2(&files, errors, 2);
    ::posix_spawnattr_init(&how);
    // Threads of ours block all signals and ignore some: nothing that a program expects.
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    ::posix_spawnattr_setsigmask(&how, &none);
    ::posix_spawnattr_setsigdefault(&how, &all);
    ::posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  spawn_wish(const spawn_wish&) = delete;
  spawn_wish& operator=(const spawn_wish&) = delete;
  ~spawn_wish() {
    ::posix_spawn_file_actions_destroy(&files);
    ::posix_spawnattr_destroy(&how);
  }
};

} // namespace

status run_helper(const helper_program& what, int stop) {
  unique_fd errors{::memfd_create("vivarium-helper", MFD_CLOEXEC)};
  if (!errors)
    return os_error("memfd_create", "", errno);
  // It dies with the thread that waits for it, however the daemon ends.
  std::vector<std::string> command{"/usr/bin/setpriv", "--pdeathsig", "KILL", "--"};
  command.insert(command.end(), what.command.begin(), what.command.end());
  auto arguments = pointers_to(command);
  auto variables = pointers_to(what.environment);
  spawn_wish wish{errors.get()};
  pid_t child = 0;
  const auto& name = what.command.front();
  if (int why = ::posix_spawn(&child, command.front().c_str(), &wish.files, &wish.how,
                              arguments.data(), variables.data());
      why != 0)
    return os_error("posix_spawn", name, why);
  unique_fd handle{static_cast<int>(::syscall(SYS_pidfd_open, child, 0))};
  std::array<pollfd, 2> watched{{{handle.get(), POLLIN, 0}, {stop, POLLIN, 0}}};
  auto until = std::chrono::steady_clock::now() + what.timeout;
  bool ended = false;
  bool stopped = false;
  while (handle && !ended && !stopped) {
    auto left =
        std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    if (left.count() <= 0)
      break;
    if (::poll(watched.data(), watched.size(),
               static_cast<int>(std::min<std::int64_t>(left.count(), 1'000'000)))
            < 0
        && errno != EINTR)
      break;
    ended = watched[0].revents != 0;
    stopped = watched[1].revents != 0;
  }
  if (!ended)
    ::kill(child, SIGKILL);
  int how = 0;
  while (::waitpid(child, &how, 0) < 0 && errno == EINTR) {
  }
  if (stopped)
    return error{errc::unavailable, "the daemon is stopping"};
  if (!ended)
    return error{errc::deadline_exceeded,
                 name + " did not end within " + std::to_string(what.timeout.count()) + " ms"};
  if (WIFEXITED(how) && WEXITSTATUS(how) == 0)
    return done{};
  return error{errc::unavailable, name + " failed: " + end_of(errors)};
}

} // namespace vivarium::sandbox
