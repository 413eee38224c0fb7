// SPDX-License-Identifier: Apache-2.0
#include "sandbox/cgroup_tree.hpp"

#include "sandbox/cgroup_files.hpp"

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <utility>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace vivarium::sandbox {

namespace {

constexpr int most_daemons = 64;   // at one site
constexpr int most_levels = 4;     // of ours
constexpr int removal_tries = 400; // 5 ms apart
constexpr timespec pause{0, 5'000'000};
constexpr std::string_view prefix = "vivarium.";

std::vector<std::string> folders_in(const std::string& folder) {
  std::vector<std::string> out;
  auto* listing = ::opendir(folder.c_str());
  if (listing == nullptr)
    return out;
  while (const auto* entry = ::readdir(listing)) // NOLINT(concurrency-mt-unsafe): own stream.
    if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
      out.emplace_back(entry->d_name);
  ::closedir(listing);
  return out;
}

status make_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST)
    return os_error("mkdir", path, errno);
  return done{};
}

/// Opens and locks a daemon's folder. Nothing: it belongs to a daemon that lives.
unique_fd lock_folder(const std::string& path) {
  unique_fd fd{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (fd && ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0)
    fd.reset();
  return fd;
}

status remove_folder(const std::string& path) {
  for (int n = 0; n < removal_tries; ++n) {
    if (::rmdir(path.c_str()) == 0 || errno == ENOENT)
      return done{};
    if (errno != EBUSY)
      break;
    ::nanosleep(&pause, nullptr); // What was killed is still ending.
  }
  return os_error("rmdir", path, errno);
}

status remove_below(const std::string& path, int levels) {
  if (levels > 0)
    for (const auto& name : folders_in(path))
      if (auto ok = remove_below(path + "/" + name, levels - 1); !ok)
        return ok;
  return remove_folder(path);
}

} // namespace

result<std::string> read_group_file(const std::string& folder, std::string_view name) {
  auto path = folder + "/" + std::string{name};
  unique_fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!file)
    return os_error("open", path, errno);
  std::string text;
  char part[4096];
  while (text.size() < 256 * 1024) {
    auto n = ::read(file.get(), part, sizeof(part));
    if (n < 0)
      return os_error("read", path, errno);
    if (n == 0)
      break;
    text.append(part, static_cast<std::size_t>(n));
  }
  return text;
}

status write_group_file(const std::string& folder, std::string_view name, std::string_view value) {
  auto path = folder + "/" + std::string{name};
  unique_fd file{::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
  if (!file)
    return os_error("open", path, errno);
  if (::write(file.get(), value.data(), value.size()) != static_cast<ssize_t>(value.size()))
    return os_error("write", path + " (" + std::string{value} + ")", errno);
  return done{};
}

status cgroup_tree::share_controllers(const std::string& folder) const {
  for (auto [present, word] : {std::pair{site_.memory, "+memory"}, std::pair{site_.pids, "+pids"},
                               std::pair{site_.cpu, "+cpu"}})
    if (present)
      if (auto ok = write_group_file(folder, "cgroup.subtree_control", word); !ok)
        return ok;
  return done{};
}

namespace {

/// This process, moved into a group of its own and back again when that was in vain: whoever starts
/// next kills what it finds in a folder that nobody holds.
class moved_in {
public:
  explicit moved_in(std::string from) : from_{std::move(from)} {}
  moved_in(const moved_in&) = delete;
  moved_in& operator=(const moved_in&) = delete;
  ~moved_in() {
    if (home_.empty())
      return;
    (void)write_group_file(from_, "cgroup.procs", std::to_string(::getpid()));
    ::rmdir(home_.c_str());
  }
  status into(const std::string& home) {
    if (auto made = make_folder(home); !made)
      return made;
    if (auto moved = write_group_file(home, "cgroup.procs", std::to_string(::getpid())); !moved) {
      ::rmdir(home.c_str());
      return moved;
    }
    home_ = home;
    return done{};
  }
  void stay() noexcept { home_.clear(); }

private:
  std::string from_;
  std::string home_;
};

/// Refuses a group in which others live: it could not be shared out, and is not ours to use.
status expect_alone(const std::string& folder) {
  auto members = read_group_file(folder, "cgroup.procs");
  if (!members)
    return members.why();
  if (*members == std::to_string(::getpid()) + "\n")
    return done{};
  return error{errc::sandbox_unavailable,
               folder
                   + " has other processes than this daemon: start it in a group of its own "
                     "(systemd: a service with Delegate=yes)"};
}

struct taken_folder {
  std::string path;
  unique_fd lock;
};

result<taken_folder> take_folder(const std::string& site) {
  for (int n = 0; n < most_daemons; ++n) {
    auto path = site + "/" + std::string{prefix} + std::to_string(n);
    if (auto made = make_folder(path); !made)
      return made.why();
    if (auto lock = lock_folder(path))
      return taken_folder{std::move(path), std::move(lock)};
  }
  return error{errc::sandbox_unavailable, "no place for another daemon in " + site};
}

std::size_t reclaim(const std::string& site) {
  std::size_t count = 0;
  for (const auto& name : folders_in(site)) {
    if (!name.starts_with(prefix))
      continue;
    auto path = site + "/" + name;
    if (auto dead = lock_folder(path); dead && cgroup_tree::remove_all(path))
      ++count;
  }
  return count;
}

} // namespace

result<cgroup_tree> cgroup_tree::open(const cgroup_site& site) {
  if (!site.usable)
    return error{errc::sandbox_unavailable, site.finding};
  bool moves = site.is_own && !site.is_root;
  if (moves)
    if (auto alone = expect_alone(site.folder); !alone)
      return alone.why();
  auto reclaimed = reclaim(site.folder);
  auto taken = take_folder(site.folder);
  if (!taken)
    return taken.why();
  cgroup_tree tree{site, taken->path, std::move(taken->lock)};
  tree.reclaimed_ = reclaimed;
  tree.site_.kill = ::access((tree.folder_ + "/cgroup.kill").c_str(), W_OK) == 0;
  // A group that shares its controllers out may hold no process, but for the root.
  moved_in own{site.folder};
  if (moves)
    if (auto moved = own.into(tree.folder_ + "/daemon"); !moved)
      return moved.why();
  for (const auto& one : {site.folder, tree.folder_})
    if (auto shared = tree.share_controllers(one); !shared)
      return shared.why();
  own.stay();
  return tree;
}

status cgroup_tree::write_limits(const std::string& folder, const cgroup_limits& limits) const {
  auto put = [&](bool present, const char* name, const std::string& value) -> status {
    return present ? write_group_file(folder, name, value) : status{done{}};
  };
  bool memory = site_.memory && limits.memory_bytes.has_value();
  if (auto ok = put(memory, "memory.max", std::to_string(limits.memory_bytes.value_or(0))); !ok)
    return ok;
  // Half of a session that was killed is of no use to anybody.
  if (auto ok = put(memory, "memory.oom.group", "1"); !ok)
    return ok;
  // Where a kernel has no swap there is no such file.
  if (memory)
    (void)write_group_file(folder, "memory.swap.max", "0");
  if (auto ok = put(site_.pids && limits.pids, "pids.max", std::to_string(limits.pids.value_or(0)));
      !ok)
    return ok;
  if (auto ok = put(site_.cpu && limits.cpu_weight, "cpu.weight",
                    std::to_string(limits.cpu_weight.value_or(0)));
      !ok)
    return ok;
  constexpr std::uint64_t period = 100'000;
  auto quota =
      std::to_string(period * limits.cpu_percent.value_or(0) / 100) + " " + std::to_string(period);
  return put(site_.cpu && limits.cpu_percent, "cpu.max", quota);
}

result<std::string> cgroup_tree::folder_of(const std::string& tenant) {
  auto path = folder_ + "/t." + tenant;
  if (::access(path.c_str(), F_OK) == 0)
    return path;
  if (auto made = make_folder(path); !made)
    return made.why();
  if (auto shared = share_controllers(path); !shared)
    return shared.why();
  return path;
}

status cgroup_tree::limit_tenant(const std::string& tenant, const cgroup_limits& limits) {
  auto path = folder_of(tenant);
  if (!path)
    return path.why();
  auto most = [](const std::optional<std::uint64_t>& limit) {
    return limit ? std::to_string(*limit) : std::string{"max"};
  };
  // Not as a whole: the session that takes most ends, and not all of the tenant's.
  if (site_.memory) {
    if (auto ok = write_group_file(*path, "memory.max", most(limits.memory_bytes)); !ok)
      return ok;
    (void)write_group_file(*path, "memory.swap.max", limits.memory_bytes ? "0" : "max");
  }
  if (site_.pids)
    if (auto ok = write_group_file(*path, "pids.max", most(limits.pids)); !ok)
      return ok;
  if (!site_.cpu || !limits.cpu_weight)
    return done{};
  weights_[tenant] = *limits.cpu_weight;
  // A group that is idle has no weight to be changed; it gets its own when it comes back.
  if (behind_.contains(tenant))
    return done{};
  return write_group_file(*path, "cpu.weight", std::to_string(*limits.cpu_weight));
}

status cgroup_tree::put_behind(const std::string& tenant, bool behind) {
  auto path = folder_of(tenant);
  if (!path)
    return path.why();
  auto ok = write_group_file(*path, "cpu.idle", behind ? "1" : "0");
  if (ok && behind)
    behind_.insert(tenant);
  else
    behind_.erase(tenant);
  // The kernel gives a group that was idle the default one.
  if (auto own = weights_.find(tenant); ok && !behind && own != weights_.end())
    return write_group_file(*path, "cpu.weight", std::to_string(own->second));
  return ok;
}

result<std::string> cgroup_tree::place(const std::string& tenant, const std::string& session,
                                       const cgroup_limits& limits, pid_t member) {
  auto parent = folder_of(tenant);
  if (!parent)
    return parent.why();
  auto path = *parent + "/" + session;
  if (auto made = make_folder(path); !made)
    return made.why();
  auto ok = write_limits(path, limits);
  if (ok)
    ok = write_group_file(path, "cgroup.procs", std::to_string(member));
  if (!ok) {
    ::rmdir(path.c_str());
    return ok.why();
  }
  return path;
}

status cgroup_tree::end(const std::string& folder) {
  // Without cgroup.kill (before 5.14) the session's pid namespace has ended it all the same.
  (void)write_group_file(folder, "cgroup.kill", "1");
  return remove_folder(folder);
}

status cgroup_tree::remove_all(const std::string& folder) {
  (void)write_group_file(folder, "cgroup.kill", "1");
  return remove_below(folder, most_levels);
}

void cgroup_tree::finish() const {
  for (const auto& name : folders_in(folder_))
    if (name.starts_with("t."))
      (void)remove_all(folder_ + "/" + name);
  ::rmdir(folder_.c_str());
}

cgroup_reading cgroup_tree::read(const std::string& folder) {
  cgroup_reading out;
  if (auto peak = read_group_file(folder, "memory.peak"))
    out.peak_bytes = event_of("peak " + *peak, "peak").value_or(0);
  if (auto events = read_group_file(folder, "memory.events")) {
    out.ooms = event_of(*events, "oom").value_or(0);
    out.oom_kills = event_of(*events, "oom_kill").value_or(0);
  }
  if (auto events = read_group_file(folder, "pids.events"))
    out.pids_refused = event_of(*events, "max").value_or(0);
  return out;
}

} // namespace vivarium::sandbox
