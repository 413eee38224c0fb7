// SPDX-License-Identifier: Apache-2.0
#include "sandbox/workspace_walk.hpp"

#include "proto/ids.hpp"
#include "sandbox/workspace_path.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace vivarium::sandbox {

namespace {

constexpr std::size_t most_link = 4'096;
// Of a removal: what is done in one step, and after how many names it is given up.
constexpr std::size_t step = 4'096;
constexpr std::uint64_t most_tries = 10'000'000;

std::string target_of(int folder, const char* name) {
  std::string out(most_link, '\0');
  auto n = ::readlinkat(folder, name, out.data(), out.size());
  out.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return out;
}

constexpr int open_flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

/// Calls `each(name)` until it says false. Returns whether all names were seen.
template <class Each>
bool each_name(int folder, Each each) {
  if (::lseek(folder, 0, SEEK_SET) != 0)
    return false;
  alignas(dirent64) std::array<char, 32'768> room{};
  for (;;) {
    auto n = ::syscall(SYS_getdents64, folder, room.data(), room.size());
    if (n <= 0)
      return n == 0;
    for (long at = 0; at < n;) {
      const auto* entry = reinterpret_cast<const dirent64*>(room.data() + at);
      at += entry->d_reclen;
      std::string_view name{entry->d_name};
      if (name != "." && name != ".." && !each(name))
        return false;
    }
  }
}

void open_up(int folder) {
  struct stat what {};
  if (::fstat(folder, &what) == 0 && (what.st_mode & 0700) != 0700)
    (void)::fchmod(folder, 0700);
}

/// Moves a directory of the owner's up, which needs the right to write into it.
bool raise(int from, const std::string& name, int to) {
  auto fresh = ".rm-" + random_text();
  if (::renameat(from, name.c_str(), to, fresh.c_str()) == 0)
    return true;
  unique_fd opened{errno == EACCES ? open_own(from, name) : -1};
  if (!opened)
    return false;
  open_up(opened.get());
  return ::renameat(from, name.c_str(), to, fresh.c_str()) == 0;
}

struct lister {
  const workspace& of;
  const list_options& how;
  file_list out;
  std::size_t seen = 0;

  // Whether everything at or below `path` comes before what is wanted.
  [[nodiscard]] bool passed(const std::string& path, bool folder) const {
    if (how.after.empty())
      return false;
    if (folder && how.after.starts_with(path) && how.after.size() > path.size()
        && how.after[path.size()] == '/')
      return false;
    return comes_before(path, how.after) || path == how.after;
  }
  // By parts, so that what is in a directory comes right behind it.
  static bool comes_before(std::string_view a, std::string_view b) {
    for (;;) {
      auto x = a.substr(0, a.find('/'));
      auto y = b.substr(0, b.find('/'));
      if (x != y)
        return x < y;
      if (x.size() == a.size() || y.size() == b.size())
        return a.size() < b.size();
      a.remove_prefix(x.size() + 1);
      b.remove_prefix(y.size() + 1);
    }
  }

  bool walk(int folder, const std::string& path, std::size_t depth) {
    for (const auto& name : names_in(folder, most_walk_entries)) {
      if (++seen > most_walk_entries) {
        ++out.unread;
        return false;
      }
      auto full = join(path, name);
      auto info = describe(folder, name.c_str());
      if (!info)
        continue; // It has gone meanwhile.
      bool is_folder = info->type == file_type::directory;
      bool before = passed(full, is_folder);
      bool done_with = how.after == full || (!how.after.empty() && comes_before(full, how.after));
      if (!done_with) {
        if (out.entries.size() == how.most) {
          out.more = true;
          return false;
        }
        info->path = full;
        out.entries.push_back(*std::move(info));
      }
      if (!is_folder || !how.recursive || (before && full != how.after))
        continue;
      unique_fd below{depth < most_walk_depth ? ::openat(folder, name.c_str(), open_flags) : -1};
      if (!below)
        ++out.unread;
      else if (!walk(below.get(), full, depth + 1))
        return false;
    }
    return true;
  }
};

} // namespace

int open_own(int folder, const std::string& name) {
  int fd = ::openat(folder, name.c_str(), open_flags);
  if (fd >= 0 || errno != EACCES)
    return fd;
  unique_fd handle{::openat(folder, name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
  if (!handle)
    return -1;
  std::array<char, 32> own{};
  std::snprintf(own.data(), own.size(), "/proc/self/fd/%d", handle.get());
  if (::chmod(own.data(), 0700) != 0)
    return -1;
  return ::openat(folder, name.c_str(), open_flags);
}

std::optional<file_info> describe(int folder, const char* name) {
  struct stat what {};
  int flags = AT_SYMLINK_NOFOLLOW | (*name == '\0' ? AT_EMPTY_PATH : 0);
  if (::fstatat(folder, name, &what, flags) != 0)
    return std::nullopt;
  file_info out;
  out.type = S_ISREG(what.st_mode)   ? file_type::file
             : S_ISDIR(what.st_mode) ? file_type::directory
             : S_ISLNK(what.st_mode) ? file_type::link
                                     : file_type::other;
  out.size = out.type == file_type::file ? static_cast<std::uint64_t>(what.st_size) : 0;
  out.mode = what.st_mode & 07777;
  out.modified_ns = what.st_mtim.tv_sec * 1'000'000'000 + what.st_mtim.tv_nsec;
  if (out.type == file_type::link)
    out.target = target_of(folder, name);
  return out;
}

std::vector<std::string> names_in(int folder, std::size_t most) {
  std::vector<std::string> out;
  each_name(folder, [&](std::string_view name) {
    if (out.size() == most)
      return false;
    out.emplace_back(name);
    return true;
  });
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

result<file_list> list_files(const workspace& of, const std::string& path,
                             const list_options& how) {
  as_owner rights{of};
  auto folder = of.open_folder(path, false);
  if (!folder)
    return std::move(folder).why();
  lister all{of, how, {}};
  (void)all.walk(folder->get(), path, 0);
  return std::move(all.out);
}

result<removal> removal::begin(const workspace& of, const std::string& path, bool recursive) {
  as_owner rights{of};
  removal made;
  if (path.empty()) {
    if (!recursive)
      return error{errc::invalid_argument,
                   "this is the workspace itself: it is emptied with `recursive`"};
    auto top = of.open_folder(path, false);
    if (!top)
      return std::move(top).why();
    made.top_ = *std::move(top);
    return made;
  }
  auto [above, name] = split(path);
  auto folder = of.open_folder(above, false);
  if (!folder)
    return std::move(folder).why();
  made.above_ = *std::move(folder);
  made.name_ = name;
  if (::unlinkat(made.above_.get(), name.c_str(), 0) != 0) {
    if (errno != EISDIR && errno != EPERM)
      return file_error(of, path, errno);
    if (::unlinkat(made.above_.get(), name.c_str(), AT_REMOVEDIR) != 0) {
      if (errno != ENOTEMPTY || !recursive)
        return file_error(of, path, errno);
      made.top_.reset(open_own(made.above_.get(), name));
      if (!made.top_)
        return file_error(of, path, errno);
      return made;
    }
  }
  made.removed_ = 1;
  made.over_ = true;
  return made;
}

// What is in a directory in it comes up, under a name that nobody has, until nothing is left.
result<bool> removal::empty_some(const workspace& of, std::size_t most) {
  int problem = 0;
  std::size_t left = most;
  open_up(top_.get());
  for (const auto& name : names_in(top_.get(), left)) {
    if (left-- == 0)
      return false;
    if (++tries_ > most_tries)
      return error{errc::busy, "the session's code makes files as fast as they are removed"};
    if (::unlinkat(top_.get(), name.c_str(), 0) == 0
        || ::unlinkat(top_.get(), name.c_str(), AT_REMOVEDIR) == 0) {
      ++removed_;
      continue;
    }
    if (errno == ENOENT)
      continue;
    unique_fd below{open_own(top_.get(), name)};
    if (!below) {
      problem = errno == ENOENT || errno == ENOTDIR ? problem : errno;
      continue;
    }
    open_up(below.get());
    auto inner = names_in(below.get(), left + 1);
    left -= std::min(left, inner.size());
    tries_ += inner.size();
    for (const auto& one : inner) {
      if (::unlinkat(below.get(), one.c_str(), 0) == 0
          || ::unlinkat(below.get(), one.c_str(), AT_REMOVEDIR) == 0)
        ++removed_;
      else if (errno == ENOTEMPTY && !raise(below.get(), one, top_.get()))
        problem = errno;
    }
    if (::unlinkat(top_.get(), name.c_str(), AT_REMOVEDIR) == 0)
      ++removed_;
  }
  if (problem != 0 && problem != ENOENT && ++moved_ > 100)
    return file_error(of, name_, problem);
  return names_in(top_.get(), 1).empty();
}

result<bool> removal::next(const workspace& of) {
  if (over_)
    return true;
  as_owner rights{of};
  auto empty = empty_some(of, step);
  if (!empty)
    return std::move(empty).why();
  if (!*empty)
    return false;
  if (above_) {
    if (::unlinkat(above_.get(), name_.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
      if (errno == ENOTEMPTY)
        return false;
      return file_error(of, name_, errno);
    }
    ++removed_;
  }
  over_ = true;
  return true;
}

} // namespace vivarium::sandbox
