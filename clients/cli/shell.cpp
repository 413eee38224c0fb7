// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/shell.hpp"

#include "proto/unique_fd.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <string_view>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace vivarium::cli {

namespace {

// What a value may have, and more than an error needs.
constexpr std::size_t most_output = std::size_t{16} << 20;
constexpr int look_every_ms = 200;

void check(int failed, const char* what) {
  if (failed != 0)
    throw std::system_error{failed, std::generic_category(), what};
}

struct pipe_ends {
  unique_fd read;
  unique_fd write;
};

pipe_ends make_pipe() {
  int ends[2];
  check(::pipe2(ends, O_CLOEXEC) == 0 ? 0 : errno, "pipe2");
  return {unique_fd{ends[0]}, unique_fd{ends[1]}};
}

/// The environment of this process with some variables set.
class environment {
public:
  explicit environment(const std::vector<std::pair<std::string, std::string>>& variables) {
    for (char** at = environ; *at != nullptr; ++at) {
      const std::string_view each{*at};
      bool replaced = false;
      for (const auto& [name, held] : variables)
        replaced =
            replaced
            || (each.starts_with(name) && each.size() > name.size() && each[name.size()] == '=');
      if (!replaced)
        texts_.emplace_back(each);
    }
    for (const auto& [name, held] : variables)
      texts_.push_back(name + '=' + held);
    for (auto& each : texts_)
      pointers_.push_back(each.data());
    pointers_.push_back(nullptr);
  }
  char* const* get() { return pointers_.data(); }

private:
  std::vector<std::string> texts_;
  std::vector<char*> pointers_;
};

struct spawn_options {
  posix_spawn_file_actions_t actions{};
  posix_spawnattr_t attributes{};

  spawn_options() {
    check(::posix_spawn_file_actions_init(&actions), "posix_spawn");
    check(::posix_spawnattr_init(&attributes), "posix_spawn");
  }
  spawn_options(const spawn_options&) = delete;
  spawn_options& operator=(const spawn_options&) = delete;
  ~spawn_options() {
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
  }
};

pid_t start(const std::string& command, int in, int out, int err, environment& with) {
  spawn_options how;
  sigset_t none;
  ::sigemptyset(&none);
  ::posix_spawn_file_actions_adddup2(&how.actions, in, STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&how.actions, out, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&how.actions, err, STDERR_FILENO);
  ::posix_spawnattr_setflags(&how.attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
  ::posix_spawnattr_setsigmask(&how.attributes, &none);
  std::string shell = "sh";
  std::string option = "-c";
  std::string text = command;
  char* const arguments[] = {shell.data(), option.data(), text.data(), nullptr};
  pid_t pid = -1;
  check(::posix_spawn(&pid, "/bin/sh", &how.actions, &how.attributes, arguments, with.get()),
        "posix_spawn /bin/sh");
  return pid;
}

/// Reads what is there; returns false at the end.
bool drain(int from, std::string& to) {
  std::array<char, 16'384> piece{};
  for (;;) {
    const auto got = ::read(from, piece.data(), piece.size());
    if (got <= 0)
      return got < 0 && (errno == EAGAIN || errno == EINTR);
    to.append(piece.data(), static_cast<std::size_t>(got));
    if (to.size() > most_output)
      return true;
  }
}

} // namespace

shell_result run_shell(const std::string& command, const std::string& input,
                       const std::vector<std::pair<std::string, std::string>>& variables,
                       const std::function<bool()>& wanted) {
  sigset_t pipe_signal;
  ::sigemptyset(&pipe_signal);
  ::sigaddset(&pipe_signal, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &pipe_signal, nullptr);
  auto in = make_pipe();
  auto out = make_pipe();
  auto err = make_pipe();
  environment with{variables};
  const auto pid = start(command, in.read.get(), out.write.get(), err.write.get(), with);
  in.read.reset();
  out.write.reset();
  err.write.reset();
  const unique_fd ended{static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))};
  for (const int each : {in.write.get(), out.read.get(), err.read.get()})
    ::fcntl(each, F_SETFL, O_NONBLOCK);

  shell_result result;
  std::size_t written = 0;
  bool killed = ended.get() < 0; // Without it its end could not be waited for together with this.
  if (killed)
    ::kill(-pid, SIGKILL);
  while (!killed) {
    if (in.write.get() >= 0 && written == input.size())
      in.write.reset();
    pollfd on[] = {{in.write.get(), POLLOUT, 0},
                   {out.read.get(), POLLIN, 0},
                   {err.read.get(), POLLIN, 0},
                   {ended.get(), POLLIN, 0}};
    ::poll(on, std::size(on), look_every_ms);
    if (on[0].revents != 0) {
      const auto n = ::write(in.write.get(), input.data() + written, input.size() - written);
      if (n > 0)
        written += static_cast<std::size_t>(n);
      else if (errno != EAGAIN && errno != EINTR)
        in.write.reset(); // It does not want to read it.
    }
    if (out.read.get() >= 0 && !drain(out.read.get(), result.out))
      out.read.reset();
    if (err.read.get() >= 0 && !drain(err.read.get(), result.err))
      err.read.reset();
    if (on[3].revents != 0)
      break; // What it started in the background may hold the pipes for ever.
    result.overflown = result.out.size() > most_output || result.err.size() > most_output;
    killed = result.overflown || !wanted();
    if (killed)
      ::kill(-pid, SIGKILL);
  }
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (out.read.get() >= 0)
    (void)drain(out.read.get(), result.out);
  if (err.read.get() >= 0)
    (void)drain(err.read.get(), result.err);
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return result;
}

} // namespace vivarium::cli
