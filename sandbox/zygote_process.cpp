// SPDX-License-Identifier: Apache-2.0
#include "sandbox/zygote_process.hpp"

#include "sandbox/control.hpp"

#include <cerrno>
#include <csignal>
#include <string>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace vivarium::sandbox {

namespace {

// glibc takes the default stack of new threads from it. Small, since each counts against RLIMIT_AS
// and RLIMIT_DATA; the main thread's own limit is raised again when the worker is sealed.
constexpr rlim_t thread_stack = 2u << 20;

std::string quoted(const std::string& text) {
  std::string out = "'";
  for (char c : text) {
    if (c == '\'' || c == '\\')
      out += '\\';
    out += c;
  }
  return out + "'";
}

std::string python_code(const jailed_plan& plan) {
  auto out = "import sys; sys.path.insert(0, " + quoted(plan.runtime_inside()) + "); ";
  std::string paths;
  for (const auto& path : plan.plan.import_paths)
    paths += quoted(path) + ", ";
  if (!paths.empty())
    out += "sys.path[1:1] = [" + paths + "]; ";
  return out + "import vivarium._zygote as z; z.main()";
}

void place(int from, int to) {
  if (::dup2(from, to) < 0)
    ::_exit(126);
}

} // namespace

void become_zygote(const jailed_plan& plan, const zygote_ends& ends) {
  sigset_t none;
  sigemptyset(&none);
  // NOLINTNEXTLINE(concurrency-mt-unsafe): this process has one thread.
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  place(control::control_fd, control::zygote_control_fd);
  place(control::plan_fd, control::zygote_plan_fd);
  place(control::proc_fd, control::zygote_proc_fd);
  place(ends.link, control::zygote_link_fd);
  place(null, 0);
  place(ends.words, 1);
  place(ends.words, 2);
  ::syscall(SYS_close_range, 3u, static_cast<unsigned>(control::zygote_control_fd - 1), 0);
  ::syscall(SYS_close_range, static_cast<unsigned>(control::zygote_proc_fd + 1), ~0u, 0);
  rlimit stack{};
  if (::getrlimit(RLIMIT_STACK, &stack) == 0) {
    stack.rlim_cur = thread_stack;
    ::setrlimit(RLIMIT_STACK, &stack);
  }
  // After a worker, and before anything of ours.
  if (int score = ::openat(control::zygote_proc_fd, "self/oom_score_adj", O_WRONLY | O_CLOEXEC);
      score < 0 || ::write(score, "500", 3) != 3)
    ::_exit(126);
  auto code = python_code(plan);
  const char* home = plan.has(layer::mount_namespace) ? "HOME=/workspace" : "HOME=/tmp";
  std::vector<const char*> arguments;
  for (const auto& word : plan.plan.wrapper)
    arguments.push_back(word.c_str());
  arguments.push_back(plan.plan.python.c_str());
  // -I would overlook the seed. Beside that it means -P and -s, since the environment is ours.
  auto seed = "PYTHONHASHSEED=" + std::to_string(plan.plan.hash_seed.value_or(0));
  if (plan.plan.hash_seed)
    arguments.insert(arguments.end(), {"-P", "-s"});
  else
    arguments.push_back("-I");
  for (const char* word : {"-B", "-c", code.c_str()})
    arguments.push_back(word);
  arguments.push_back(nullptr);
  const char* environment[] = {
      "PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", home, "TMPDIR=/tmp", "TZ=UTC",
      "USER=session", "LOGNAME=session", "PYTHONDONTWRITEBYTECODE=1", "MALLOC_ARENA_MAX=2",
      // A worker whose heap shrank after each execution would fault the
      // same pages in again for the next.
      "MALLOC_TRIM_THRESHOLD_=2097152", "MALLOC_TOP_PAD_=131072", "OPENBLAS_NUM_THREADS=1",
      "OMP_NUM_THREADS=1", "MKL_NUM_THREADS=1", "MPLCONFIGDIR=/tmp/matplotlib",
      plan.plan.hash_seed ? seed.c_str() : nullptr, nullptr};
  ::execve(arguments[0], const_cast<char**>(arguments.data()), const_cast<char**>(environment));
  auto why = os_error("execve", arguments[0], errno).detail;
  if (::write(2, why.data(), why.size()) < 0)
    ::_exit(126);
  ::_exit(127);
}

} // namespace vivarium::sandbox
