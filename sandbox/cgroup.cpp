// SPDX-License-Identifier: Apache-2.0
#include "sandbox/cgroup.hpp"

#include "sandbox/cgroup_files.hpp"

#include <charconv>

#include <unistd.h>

namespace vivarium::sandbox {

namespace {

std::string_view next_line(std::string_view& text) {
  auto end = text.find('\n');
  auto line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

std::string_view next_word(std::string_view& line) {
  auto begin = line.find_first_not_of(' ');
  line.remove_prefix(begin == std::string_view::npos ? line.size() : begin);
  auto end = line.find(' ');
  auto word = line.substr(0, end);
  line.remove_prefix(word.size());
  return word;
}

bool has_word(std::string_view text, std::string_view word) {
  while (!text.empty()) {
    auto line = next_line(text);
    for (auto one = next_word(line); !one.empty(); one = next_word(line))
      if (one == word)
        return true;
  }
  return false;
}

bool writable(const std::string& path) {
  return ::access(path.c_str(), W_OK) == 0;
}

cgroup_site& decide(cgroup_site& site, const cgroup_choice& choice) {
  auto controllers = read_group_file(site.folder, "cgroup.controllers");
  if (!controllers) {
    site.finding = site.folder + " is no cgroup: " + controllers.why().detail;
    return site;
  }
  site.memory = has_word(*controllers, "memory");
  site.pids = has_word(*controllers, "pids");
  site.cpu = has_word(*controllers, "cpu");
  site.is_root = !read_group_file(site.folder, "cgroup.type");
  bool by_path = choice.what == cgroup_choice::kind::path;
  if (!writable(site.folder) || !writable(site.folder + "/cgroup.procs"))
    site.finding = site.folder + " is not writable";
  else if (!by_path && !site.memory)
    site.finding = "no memory controller in " + site.folder;
  else
    site.usable = true;
  if (site.usable) {
    auto names = controllers->substr(0, controllers->find('\n'));
    site.finding = site.folder + ": " + (names.empty() ? "no controllers" : names);
  }
  return site;
}

} // namespace

std::optional<std::string> own_cgroup(std::string_view proc_cgroup) {
  while (!proc_cgroup.empty()) {
    auto line = next_line(proc_cgroup);
    // A group outside of what this process may see begins with "/..".
    if (line.starts_with("0::/") && !line.starts_with("0::/.."))
      return std::string{line.substr(3)};
  }
  return std::nullopt;
}

std::optional<std::string> cgroup2_mount(std::string_view mountinfo) {
  while (!mountinfo.empty()) {
    auto line = next_line(mountinfo);
    auto separator = line.find(" - ");
    if (separator == std::string_view::npos)
      continue;
    auto behind = line.substr(separator + 3);
    if (next_word(behind) != "cgroup2")
      continue;
    for (int skipped = 0; skipped < 3; ++skipped)
      next_word(line);
    auto root = next_word(line);
    auto point = next_word(line);
    // Spaces in a path are written as octal numbers: nobody mounts a cgroup file system there.
    if (root == "/" && point.find('\\') == std::string_view::npos)
      return std::string{point};
  }
  return std::nullopt;
}

std::optional<std::uint64_t> event_of(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    auto line = next_line(text);
    if (next_word(line) != name)
      continue;
    auto number = next_word(line);
    std::uint64_t value = 0;
    if (std::from_chars(number.data(), number.data() + number.size(), value).ec == std::errc{})
      return value;
  }
  return std::nullopt;
}

std::uint64_t group_memory(std::uint64_t memory_bytes, std::uint64_t workspace_bytes) {
  constexpr std::uint64_t books = 16ull << 20;
  return memory_bytes + workspace_bytes + memory_bytes / 16 + books;
}

cgroup_site find_cgroup(const cgroup_choice& choice, const std::string& proc) {
  cgroup_site site;
  if (choice.what == cgroup_choice::kind::off) {
    site.finding = "switched off by sandbox.cgroup";
    return site;
  }
  auto groups = read_group_file(proc, "cgroup");
  auto mounts = read_group_file(proc, "mountinfo");
  auto own = groups ? own_cgroup(*groups) : std::nullopt;
  auto mount = mounts ? cgroup2_mount(*mounts) : std::nullopt;
  auto own_folder = own && mount ? *mount + (*own == "/" ? "" : *own) : std::string{};
  site.folder = choice.what == cgroup_choice::kind::path ? choice.path : own_folder;
  site.is_own = !own_folder.empty() && site.folder == own_folder;
  if (site.folder.empty()) {
    site.finding = "no unified hierarchy";
    return site;
  }
  return decide(site, choice);
}

} // namespace vivarium::sandbox
