// SPDX-License-Identifier: Apache-2.0
#include "sandbox/family.hpp"

#include "proto/unique_fd.hpp"
#include "sandbox/attest.hpp"
#include "sandbox/cgroup.hpp"
#include "sandbox/cgroup_files.hpp"
#include "sandbox/memory.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <string_view>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

namespace vivarium::sandbox {

namespace {

// Looks at those that were forked during a look.
constexpr int most_rounds = 3;

std::chrono::microseconds tick() {
  return std::chrono::microseconds{1'000'000 / ::sysconf(_SC_CLK_TCK)};
}

std::string proc(pid_t pid, std::string_view rest) {
  return "/proc/" + std::to_string(pid) + "/" + std::string{rest};
}

std::string read_text(const std::string& path) {
  unique_fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  std::string out;
  std::array<char, 4096> room{};
  while (file) {
    auto n = ::read(file.get(), room.data(), room.size());
    if (n <= 0)
      break;
    out.append(room.data(), static_cast<std::size_t>(n));
  }
  return out;
}

std::string link_text(const std::string& path) {
  std::array<char, 64> room{};
  auto n = ::readlink(path.c_str(), room.data(), room.size());
  return n > 0 ? std::string{room.data(), static_cast<std::size_t>(n)} : std::string{};
}

template <class Each>
void each_number_in(const std::string& folder, Each each) {
  auto* entries = ::opendir(folder.c_str());
  if (entries == nullptr)
    return;
  while (const auto* entry = ::readdir(entries)) { // NOLINT(concurrency-mt-unsafe): own stream.
    std::string_view name{entry->d_name};
    pid_t value = 0;
    auto read = std::from_chars(name.data(), name.data() + name.size(), value);
    if (read.ec == std::errc{} && read.ptr == name.data() + name.size() && !each(value))
      break;
  }
  ::closedir(entries);
}

void add_children(pid_t of, std::vector<pid_t>& to) {
  each_number_in(proc(of, "task"), [&](pid_t thread) {
    auto text = read_text(proc(of, "task/" + std::to_string(thread) + "/children"));
    const char* at = text.data();
    const char* end = at + text.size();
    while (at < end && to.size() < family::most_members) {
      pid_t child = 0;
      auto read = std::from_chars(at, end, child);
      if (read.ec != std::errc{})
        break;
      to.push_back(child);
      at = read.ptr;
      while (at < end && *at == ' ')
        ++at;
    }
    return to.size() < family::most_members;
  });
}

/// Process 1 of the namespace that the worker is in.
pid_t find_holder(pid_t worker) {
  auto space = link_text(proc(worker, "ns/pid"));
  pid_t found = 0;
  if (space.empty() || space == link_text("/proc/self/ns/pid"))
    return 0; // It has no namespace of its own.
  each_number_in("/proc", [&](pid_t pid) {
    if (pid == worker || link_text(proc(pid, "ns/pid")) != space)
      return true;
    auto text = read_text(proc(pid, "status"));
    auto at = text.find("\nNSpid:");
    auto line = text.substr(at == std::string::npos ? text.size() : at + 1);
    line = line.substr(0, line.find('\n'));
    if (!line.ends_with("\t1"))
      return true;
    found = pid;
    return false;
  });
  return found;
}

} // namespace

std::vector<pid_t> family::members() {
  if (!std::exchange(searched_, true))
    holder_ = find_holder(worker_);
  std::vector<pid_t> out{worker_};
  for (std::size_t i = 0; i < out.size(); ++i)
    add_children(out[i], out);
  if (holder_ != 0) {
    auto from = out.size();
    add_children(holder_, out);
    // A worker whose zygote has gone is the holder's child as well.
    out.erase(std::remove(out.begin() + 1, out.end(), worker_), out.end());
    for (auto i = from; i < out.size(); ++i)
      add_children(out[i], out);
  }
  return out;
}

family::usage family::used() {
  usage out;
  std::map<pid_t, cpu_reading> now;
  // Who forks while this is read must not be missed with the pages that it shares.
  for (int round = 0; round < most_rounds; ++round) {
    auto before = now.size();
    for (auto pid : members()) {
      if (now.contains(pid))
        continue;
      auto taken = shared_out_memory_of(pid);
      auto own = cpu_time_of(pid);
      if (!taken || !own)
        continue;
      out.memory_bytes += *taken;
      now.emplace(pid, cpu_reading{*own, waited_cpu_of(pid)});
    }
    if (now.size() == before)
      break;
  }
  out.processes = now.size();
  if (holder_ != 0)
    now.emplace(holder_, cpu_reading{{}, waited_cpu_of(holder_)});
  out.others_cpu = add_up(std::move(now));
  if (!cgroup_.empty())
    if (auto text = read_group_file(cgroup_, "cpu.stat")) {
      std::chrono::microseconds all{event_of(*text, "usage_usec").value_or(0)};
      out.others_cpu = std::max(out.others_cpu, all - cpu_time_of(worker_).value_or(all));
    }
  return out;
}

std::chrono::microseconds family::add_up(std::map<pid_t, cpu_reading> now) {
  // What was there and is gone is in the books of whoever waited for it, or in nobody's.
  std::chrono::microseconds gone{0};
  std::chrono::microseconds booked{0};
  for (const auto& [pid, then] : seen_) {
    auto at = now.find(pid);
    if (at == now.end() || at->second.own < then.own) // The number may be another's by now.
      gone += then.own + then.waited;
    else // The books are in ticks.
      booked += at->second.waited - then.waited + tick();
  }
  lost_ += std::max(gone - booked, std::chrono::microseconds{0});
  auto out = lost_;
  for (const auto& [pid, one] : now)
    out += one.waited + (pid == worker_ ? std::chrono::microseconds{0} : one.own);
  seen_ = std::move(now);
  return out;
}

std::chrono::microseconds waited_cpu_of(pid_t host_pid) {
  auto text = read_text(proc(host_pid, "stat"));
  auto at = text.rfind(')');
  if (at == std::string::npos)
    return {};
  std::string_view rest{text};
  rest.remove_prefix(at + 1);
  std::int64_t ticks = 0;
  // State is field 3; cutime and cstime are 16 and 17.
  for (int field = 3; field <= 17; ++field) {
    auto start = rest.find_first_not_of(' ');
    if (start == std::string_view::npos)
      return {};
    rest.remove_prefix(start);
    auto word = rest.substr(0, rest.find(' '));
    std::int64_t value = 0;
    if (field >= 16)
      std::from_chars(word.data(), word.data() + word.size(), value);
    ticks += value;
    rest.remove_prefix(word.size());
  }
  return ticks * tick();
}

} // namespace vivarium::sandbox
