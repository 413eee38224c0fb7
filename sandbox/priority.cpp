// SPDX-License-Identifier: Apache-2.0
#include "sandbox/priority.hpp"

#include "proto/unique_fd.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace vivarium::sandbox {

namespace {

constexpr double usual_weight = 100;
constexpr int usual_niceness = 5;
constexpr double step = 1.25; // between one niceness and the next, in the kernel's table
constexpr std::size_t most_threads = 4'096;
// Threads may begin others while they are gone through.
constexpr int most_rounds = 4;

std::string proc(pid_t pid, std::string_view rest) {
  return "/proc/" + std::to_string(pid) + "/" + std::string{rest};
}

std::string read_line(const std::string& path) {
  unique_fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  std::array<char, 512> room{};
  auto n = file ? ::read(file.get(), room.data(), room.size()) : -1;
  return n > 0 ? std::string{room.data(), static_cast<std::size_t>(n)} : std::string{};
}

std::vector<pid_t> threads_of(pid_t process) {
  std::vector<pid_t> out;
  auto* entries = ::opendir(proc(process, "task").c_str());
  if (entries == nullptr)
    return out;
  while (const auto* entry = ::readdir(entries)) { // NOLINT(concurrency-mt-unsafe): own stream.
    std::string_view name{entry->d_name};
    pid_t value = 0;
    auto read = std::from_chars(name.data(), name.data() + name.size(), value);
    if (read.ec == std::errc{} && read.ptr == name.data() + name.size())
      out.push_back(value);
    if (out.size() >= most_threads)
      break;
  }
  ::closedir(entries);
  std::sort(out.begin(), out.end());
  return out;
}

bool policy_can_be_taken_back() {
  bool fine = false;
  // On a thread of its own: where it cannot be taken back, that one stays behind.
  std::thread{[&fine] {
    sched_param none{};
    fine = ::sched_setscheduler(0, SCHED_IDLE, &none) == 0
           && ::sched_setscheduler(0, SCHED_OTHER, &none) == 0;
  }}.join();
  return fine;
}

} // namespace

int niceness_of(unsigned weight) noexcept {
  auto steps = std::lround(std::log(std::max(weight, 1u) / usual_weight) / std::log(step));
  return static_cast<int>(std::clamp(usual_niceness - steps, 1L, 19L));
}

status make_nicer(pid_t worker, int by) {
  auto niceness = std::min(::getpriority(PRIO_PROCESS, 0) + by, 19);
  if (::setpriority(PRIO_PROCESS, static_cast<id_t>(worker), niceness) != 0)
    return os_error("setpriority", std::to_string(worker), errno);
  return done{};
}

priorities::priorities() {
  CPU_ZERO(&all_);
  CPU_ZERO(&first_);
  CPU_ZERO(&second_);
  int count = ::sched_getaffinity(0, sizeof(all_), &all_) == 0 ? CPU_COUNT(&all_) : 0;
  int seen = 0;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &all_))
      CPU_SET(cpu, 2 * seen++ < count ? &first_ : &second_);
  power_ = policy_can_be_taken_back() ? priority_power::policy
           : count > 1                ? priority_power::processors
                                      : priority_power::none;
}

void priorities::restrain(priority_power most) noexcept {
  if (power_ > most)
    power_ = most == priority_power::processors && CPU_COUNT(&second_) == 0 ? priority_power::none
                                                                            : most;
}

int priorities::put_thread(pid_t thread, standing where) const noexcept {
  if (power_ == priority_power::policy) {
    sched_param none{};
    int policy = where == standing::behind ? SCHED_IDLE : SCHED_OTHER;
    return ::sched_setscheduler(thread, policy, &none) == 0 ? 0 : errno;
  }
  const auto& where_to = where == standing::usual   ? all_
                         : where == standing::ahead ? first_
                                                    : second_;
  return ::sched_setaffinity(thread, sizeof(where_to), &where_to) == 0 ? 0 : errno;
}

status priorities::put_single(pid_t process, standing where) const {
  if (power_ == priority_power::none)
    return done{};
  if (int why = put_thread(process, where); why != 0 && why != ESRCH)
    return os_error("sched_setscheduler", std::to_string(process), why);
  return done{};
}

status priorities::put(pid_t process, standing where) const {
  if (power_ == priority_power::none)
    return done{};
  std::vector<pid_t> seen;
  for (int round = 0; round < most_rounds; ++round) {
    auto now = threads_of(process);
    bool fresh = false;
    for (auto thread : now) {
      if (std::binary_search(seen.begin(), seen.end(), thread))
        continue;
      fresh = true;
      if (int why = put_thread(thread, where); why != 0 && why != ESRCH)
        return os_error("sched_setscheduler", std::to_string(thread), why);
    }
    if (!fresh)
      break;
    seen = std::move(now);
  }
  return done{};
}

status make_group_nice(pid_t member, int niceness) {
  unique_fd file{::open(proc(member, "autogroup").c_str(), O_WRONLY | O_CLOEXEC)};
  if (!file)
    return errno == ENOENT ? status{done{}} : os_error("open", proc(member, "autogroup"), errno);
  auto text = std::to_string(niceness);
  if (::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()))
    return done{};
  if (errno == EAGAIN)
    return error{errc::limit_exceeded, "the kernel changes no more groups now"};
  // ESRCH: it is gone.
  return errno == ESRCH ? status{done{}} : os_error("write", proc(member, "autogroup"), errno);
}

pid_t parent_of(pid_t process) {
  auto text = read_line(proc(process, "stat"));
  auto at = text.rfind(") ");
  pid_t parent = 0;
  if (at != std::string::npos && at + 4 < text.size())
    std::from_chars(text.data() + at + 4, text.data() + text.size(), parent);
  return parent;
}

pid_t child_of(pid_t process) {
  auto text = read_line(proc(process, "task/" + std::to_string(process) + "/children"));
  pid_t child = 0;
  std::from_chars(text.data(), text.data() + text.size(), child);
  return child;
}

} // namespace vivarium::sandbox
