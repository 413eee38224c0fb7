// SPDX-License-Identifier: Apache-2.0
#include "sandbox/family.hpp"

#include "proto/unique_fd.hpp"
#include "sandbox/attest.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

namespace vivarium::sandbox {

namespace {

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

/// What the children used that the process has waited for, in clock ticks.
std::optional<std::uint64_t> waited_ticks_of(pid_t pid) {
  auto text = read_text(proc(pid, "stat"));
  auto at = text.rfind(')');
  if (at == std::string::npos)
    return std::nullopt;
  std::string_view rest{text};
  rest.remove_prefix(at + 1);
  std::uint64_t out = 0;
  // State is field 3; cutime and cstime are 16 and 17.
  for (int field = 3; field <= 17; ++field) {
    auto start = rest.find_first_not_of(' ');
    if (start == std::string_view::npos)
      return std::nullopt;
    rest.remove_prefix(start);
    auto word = rest.substr(0, rest.find(' '));
    std::uint64_t value = 0;
    if (field >= 16)
      std::from_chars(word.data(), word.data() + word.size(), value);
    out += value;
    rest.remove_prefix(word.size());
  }
  return out;
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
  auto per_second = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  for (auto pid : members()) {
    auto resident = resident_bytes_of(pid);
    if (!resident)
      continue;
    ++out.processes;
    out.resident_bytes += *resident;
    out.cpu += cpu_time_of(pid).value_or(std::chrono::microseconds{0});
    auto waited = waited_ticks_of(pid).value_or(0);
    out.cpu += std::chrono::microseconds{waited * 1'000'000 / per_second};
  }
  return out;
}

} // namespace vivarium::sandbox
