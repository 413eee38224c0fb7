// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/once.hpp"

#include "clients/cli/show.hpp"

#include <vivarium/testing.hpp>

#include <cerrno>
#include <csignal>
#include <system_error>

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace vivarium::cli {

namespace {

constexpr int signal_status = 128; // As shells count.

pid_t spawn_again(const std::string& url, const std::vector<std::string>& arguments,
                  const sigset_t& mask) {
  std::vector<std::string> texts{"vivarium", "--server", url};
  texts.insert(texts.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (auto& text : texts)
    pointers.push_back(text.data());
  pointers.push_back(nullptr);
  posix_spawnattr_t how;
  ::posix_spawnattr_init(&how);
  ::posix_spawnattr_setsigmask(&how, &mask);
  ::posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK);
  pid_t made = -1;
  const int failed =
      ::posix_spawn(&made, "/proc/self/exe", nullptr, &how, pointers.data(), environ);
  ::posix_spawnattr_destroy(&how);
  if (failed != 0)
    throw std::system_error{failed, std::generic_category(), "start the command"};
  return made;
}

/// Waits for the command, handing it what would end this program. Ctrl-C reaches it by itself: it
/// is in the terminal's group.
int wait_for(pid_t command, const sigset_t& awaited) {
  for (;;) {
    siginfo_t info{};
    const int signal = ::sigwaitinfo(&awaited, &info);
    if (signal == SIGTERM || signal == SIGHUP || (signal == SIGINT && info.si_code == SI_USER))
      ::kill(command, signal);
    int raw = 0;
    if (::waitpid(command, &raw, WNOHANG) == command)
      return WIFEXITED(raw) ? WEXITSTATUS(raw) : signal_status + WTERMSIG(raw);
  }
}

} // namespace

int run_once(const std::vector<std::string>& arguments) {
  // Blocked before any thread exists, so that nothing ends this program before its daemon.
  sigset_t awaited;
  sigset_t before;
  ::sigemptyset(&awaited);
  for (const int each : {SIGCHLD, SIGINT, SIGTERM, SIGHUP})
    ::sigaddset(&awaited, each);
  ::pthread_sigmask(SIG_BLOCK, &awaited, &before);
  const daemon_fixture daemon;
  return wait_for(spawn_again(daemon.socket_url(), arguments, before), awaited);
}

} // namespace vivarium::cli
