// SPDX-License-Identifier: Apache-2.0
#include "sandbox/memory.hpp"

#include "proto/unique_fd.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <string>
#include <string_view>

#include <dirent.h>
#include <fcntl.h>
#include <sys/statfs.h>
#include <unistd.h>

namespace vivarium::sandbox {

namespace {

/// A small file of /proc, read at once.
class small_file {
public:
  explicit small_file(const std::string& path) {
    unique_fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    auto n = file ? ::read(file.get(), room_.data(), room_.size()) : -1;
    size_ = n > 0 ? static_cast<std::size_t>(n) : 0;
  }
  [[nodiscard]] std::string_view text() const noexcept { return {room_.data(), size_}; }

private:
  std::array<char, 4096> room_{};
  std::size_t size_ = 0;
};

std::optional<std::uint64_t> number_after(std::string_view text, std::string_view name) {
  auto at = text.find(name);
  if (at == std::string_view::npos)
    return std::nullopt;
  at = text.find_first_not_of(" \t", at + name.size());
  std::uint64_t value = 0;
  if (at == std::string_view::npos
      || std::from_chars(text.data() + at, text.data() + text.size(), value).ec != std::errc{})
    return std::nullopt;
  return value;
}

std::string in_proc(pid_t pid, std::string_view name) {
  return "/proc/" + std::to_string(pid) + std::string{name};
}

} // namespace

std::optional<memory_reading> read_memory(pid_t host_pid) {
  small_file status{in_proc(host_pid, "/status")};
  auto text = status.text();
  auto resident = number_after(text, "\nVmRSS:");
  if (!resident) // A process that has ended has no memory, and is still listed until it is reaped.
    return std::nullopt;
  memory_reading out;
  out.resident = *resident * 1024;
  out.peak = number_after(text, "\nVmHWM:").value_or(*resident) * 1024;
  out.files = std::min(number_after(text, "\nRssFile:").value_or(0), *resident) * 1024;
  out.page_tables = number_after(text, "\nVmPTE:").value_or(0) * 1024;
  out.threads = static_cast<std::uint32_t>(number_after(text, "\nThreads:").value_or(0));
  return out;
}

std::optional<std::uint64_t> shared_out_memory_of(pid_t host_pid) {
  auto whole = read_memory(host_pid);
  if (!whole)
    return std::nullopt;
  small_file rollup{in_proc(host_pid, "/smaps_rollup")};
  auto anonymous = number_after(rollup.text(), "\nPss_Anon:");
  auto shared = number_after(rollup.text(), "\nPss_Shmem:");
  if (!anonymous || !shared) // Then it counts for all of its pages.
    return whole->taken();
  auto swapped = number_after(rollup.text(), "\nSwapPss:").value_or(0);
  return (*anonymous + *shared + swapped) * 1024 + whole->page_tables;
}

std::optional<disk_reading> read_disk(pid_t host_pid) {
  // No part of this path is the tenant's: the root is read-only, and the mount is of our making.
  struct statfs found {};
  if (::statfs(in_proc(host_pid, "/root/session/fs").c_str(), &found) != 0)
    return std::nullopt;
  auto block = static_cast<std::uint64_t>(found.f_bsize);
  return disk_reading{found.f_blocks * block, found.f_bfree * block, found.f_files, found.f_ffree};
}

std::optional<std::uint32_t> count_descriptors(pid_t host_pid, std::uint32_t below) {
  auto* folder = ::opendir(in_proc(host_pid, "/fd").c_str());
  if (folder == nullptr)
    return std::nullopt;
  std::uint32_t seen = 0;
  while (seen < below) {
    const auto* entry = ::readdir(folder); // NOLINT(concurrency-mt-unsafe): own stream.
    if (entry == nullptr)
      break;
    std::string_view name{entry->d_name};
    std::uint32_t number = 0;
    auto read = std::from_chars(name.data(), name.data() + name.size(), number);
    if (read.ec == std::errc{} && number < below)
      ++seen;
  }
  ::closedir(folder);
  return seen;
}

std::optional<machine_memory> read_machine_memory() {
  small_file meminfo{"/proc/meminfo"};
  auto total = number_after(meminfo.text(), "MemTotal:");
  auto available = number_after(meminfo.text(), "\nMemAvailable:");
  if (!total || !available)
    return std::nullopt;
  machine_memory out{*total * 1024, *available * 1024, 0};
  small_file pressure{"/proc/pressure/memory"};
  auto text = pressure.text();
  constexpr std::string_view mark = "full avg10=";
  if (auto at = text.find(mark); at != std::string_view::npos)
    out.stalled = std::strtod(std::string{text.substr(at + mark.size(), 8)}.c_str(), nullptr);
  return out;
}

} // namespace vivarium::sandbox
