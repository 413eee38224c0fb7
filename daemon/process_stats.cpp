// SPDX-License-Identifier: Apache-2.0
#include "daemon/process_stats.hpp"

#include <ctime>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <sys/resource.h>
#include <unistd.h>

namespace vivarium {

namespace {

double seconds_of(const timeval& t) {
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
}

double start_time() {
  std::ifstream file{"/proc/self/stat"};
  std::string line;
  std::getline(file, line);
  auto name_end = line.rfind(')'); // the name before it may hold anything
  if (name_end == std::string::npos)
    return 0;
  std::istringstream rest{line.substr(name_end + 1)};
  std::string skipped;
  for (int i = 0; i < 19; ++i)
    rest >> skipped;
  double ticks = 0;
  rest >> ticks;
  timespec now{};
  timespec up{};
  clock_gettime(CLOCK_REALTIME, &now);
  clock_gettime(CLOCK_BOOTTIME, &up);
  auto seconds = [](const timespec& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
  };
  return seconds(now) - seconds(up) + ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

std::uint64_t count_fds() {
  std::error_code why;
  std::uint64_t count = 0;
  for (std::filesystem::directory_iterator at{"/proc/self/fd", why}, end; !why && at != end;
       at.increment(why))
    ++count;
  return count > 0 ? count - 1 : 0; // without the one that reads the directory
}

} // namespace

process_stats read_process_stats() {
  process_stats out;
  auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  std::ifstream memory{"/proc/self/statm"};
  memory >> out.virtual_bytes >> out.resident_bytes;
  out.virtual_bytes *= page;
  out.resident_bytes *= page;
  out.open_fds = count_fds();
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0)
    out.max_fds = files.rlim_cur;
  rusage used{};
  if (getrusage(RUSAGE_SELF, &used) == 0)
    out.cpu_seconds = seconds_of(used.ru_utime) + seconds_of(used.ru_stime);
  // Once: the wall clock may be set, and a start that moves looks like a restart.
  static const double started = start_time();
  out.start_time = started;
  return out;
}

} // namespace vivarium
