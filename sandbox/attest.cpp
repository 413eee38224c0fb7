// SPDX-License-Identifier: Apache-2.0
#include "sandbox/attest.hpp"

#include "proto/unique_fd.hpp"
#include "sandbox/zygote_link.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <ctime>
#include <string>
#include <string_view>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

namespace vivarium::sandbox {

namespace {

std::string process_path(pid_t pid, std::string_view name) {
  return "/proc/" + std::to_string(pid) + "/" + std::string{name};
}

result<std::string> read_status(pid_t pid) {
  auto path = process_path(pid, "status");
  unique_fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!file)
    return os_error("open", path, errno);
  std::array<char, 4096> room{};
  auto n = ::read(file.get(), room.data(), room.size());
  if (n <= 0)
    return os_error("read", path, errno);
  return std::string{room.data(), static_cast<std::size_t>(n)};
}

/// Returns the rest of the line "\nname:<blank>rest".
std::string_view line_of(std::string_view status_text, std::string_view name) {
  auto at = status_text.find(name);
  if (at == std::string_view::npos)
    return {};
  at = status_text.find_first_not_of(" \t", at + name.size());
  if (at == std::string_view::npos)
    return {};
  return status_text.substr(at, status_text.find('\n', at) - at);
}

status expect(std::string_view text, std::string_view name, std::string_view wanted) {
  auto found = line_of(text, name);
  if (found == wanted)
    return done{};
  return error{errc::sandbox_unavailable, "attestation: " + std::string{name.substr(1)} + " is "
                                              + std::string{found} + ", not "
                                              + std::string{wanted}};
}

status expect_no_host_root(std::string_view text) {
  auto uids = line_of(text, "\nUid:");
  while (!uids.empty()) {
    auto end = uids.find_first_of(" \t");
    if (uids.substr(0, end) == "0")
      return error{errc::sandbox_unavailable, "attestation: the worker has host uid 0"};
    auto next = end == std::string_view::npos ? end : uids.find_first_not_of(" \t", end);
    uids = next == std::string_view::npos ? std::string_view{} : uids.substr(next);
  }
  return done{};
}

status look_at_descriptors(pid_t pid) {
  auto path = process_path(pid, "fd");
  auto* folder = ::opendir(path.c_str());
  if (!folder)
    return os_error("opendir", path, errno);
  unsigned seen = 0;
  std::string strange;
  while (const auto* entry = ::readdir(folder)) { // NOLINT(concurrency-mt-unsafe): own stream.
    std::string_view name{entry->d_name};
    if (name == "." || name == "..")
      continue;
    if (name.size() == 1 && name[0] >= '0' && name[0] <= '4')
      seen |= 1u << static_cast<unsigned>(name[0] - '0');
    else if (name != "100" && name != "101") // The runtime's copies, see zygote_link.hpp.
      strange = name;
  }
  ::closedir(folder);
  if (!strange.empty())
    return error{errc::sandbox_unavailable, "attestation: descriptor " + strange + " is open"};
  if (seen != 0b11111)
    return error{errc::sandbox_unavailable, "attestation: a descriptor of 0 to 4 is missing"};
  return done{};
}

// A worker closes the socket through which it told that it is ready right after telling, so one who
// looks at once may still see it. Waiting is sound: it has not met a tenant's byte.
status expect_own_descriptors(pid_t pid) {
  constexpr int tries = 200;
  constexpr timespec pause{0, 50'000};
  for (int i = 1; i < tries; ++i) {
    if (auto seen = look_at_descriptors(pid); seen)
      return seen;
    ::nanosleep(&pause, nullptr);
  }
  return look_at_descriptors(pid);
}

std::optional<std::uint64_t> kibibytes(pid_t pid, std::string_view name) {
  auto text = read_status(pid);
  if (!text)
    return std::nullopt;
  auto found = line_of(*text, name);
  std::uint64_t value = 0;
  if (std::from_chars(found.data(), found.data() + found.size(), value).ec != std::errc{})
    return std::nullopt;
  return value * 1024;
}

} // namespace

status attest_worker(pid_t host_pid, layer_set without) {
  auto text = read_status(host_pid);
  if (!text)
    return text.why();
  if (auto one = expect(*text, "\nThreads:", "1"); !one)
    return one;
  if (auto set = expect(*text, "\nNoNewPrivs:", "1"); !set)
    return set;
  if (!without.contains(layer::seccomp))
    if (auto filtered = expect(*text, "\nSeccomp:", "2"); !filtered)
      return filtered;
  if (!without.contains(layer::capabilities))
    for (auto set : {"\nCapInh:", "\nCapPrm:", "\nCapEff:", "\nCapBnd:", "\nCapAmb:"})
      if (auto none = expect(*text, set, "0000000000000000"); !none)
        return none;
  if (!without.contains(layer::worker_uid))
    if (auto mapped = expect_no_host_root(*text); !mapped)
      return mapped;
  return expect_own_descriptors(host_pid);
}

pid_t process_of(pid_t thread) {
  auto text = read_status(thread);
  if (!text)
    return 0;
  auto found = line_of(*text, "\nTgid:");
  pid_t process = 0;
  std::from_chars(found.data(), found.data() + found.size(), process);
  return process;
}

std::optional<std::chrono::microseconds> cpu_time_of(pid_t host_pid) {
  // The kernel's encoding of a process's CPU clock; glibc's function would first ask whether it is.
  auto clock = static_cast<clockid_t>((~static_cast<unsigned>(host_pid) << 3) | 2u);
  timespec used{};
  if (::clock_gettime(clock, &used) != 0)
    return std::nullopt;
  return std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::seconds{used.tv_sec} + std::chrono::nanoseconds{used.tv_nsec});
}

std::optional<std::uint64_t> resident_bytes_of(pid_t host_pid) {
  auto path = process_path(host_pid, "statm");
  unique_fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  std::array<char, 128> room{};
  auto n = file ? ::read(file.get(), room.data(), room.size()) : -1;
  if (n <= 0)
    return std::nullopt;
  std::string_view text{room.data(), static_cast<std::size_t>(n)};
  auto second = text.find(' ');
  std::uint64_t pages = 0;
  if (second == std::string_view::npos
      || std::from_chars(text.data() + second + 1, text.data() + text.size(), pages).ec
             != std::errc{})
    return std::nullopt;
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

bool has_pending_interrupt(pid_t thread) {
  auto text = read_status(thread);
  if (!text)
    return false;
  auto bit = std::uint64_t{1} << (interrupt_signal() - 1);
  for (auto set : {"\nSigPnd:", "\nShdPnd:"}) {
    auto found = line_of(*text, set);
    std::uint64_t signals = 0;
    std::from_chars(found.data(), found.data() + found.size(), signals, 16);
    if ((signals & bit) != 0)
      return true;
  }
  return false;
}

std::optional<std::uint64_t> peak_resident_bytes_of(pid_t host_pid) {
  return kibibytes(host_pid, "\nVmHWM:");
}

} // namespace vivarium::sandbox
