// SPDX-License-Identifier: Apache-2.0
#include "sandbox/workspace_files.hpp"

#include "proto/ids.hpp"
#include "sandbox/workspace_path.hpp"
#include "sandbox/workspace_walk.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace vivarium::sandbox {

namespace {

constexpr std::uint32_t usual_mode = 0644;

error is_root() {
  return error{errc::invalid_argument, "this is the workspace itself: say what in it"};
}

/// The directory that a path is in, opened, and the name in it.
struct place {
  unique_fd folder;
  std::string name;
};

result<place> place_of(const workspace& of, const std::string& path, bool make) {
  if (path.empty())
    return is_root();
  auto [folder, name] = split(path);
  auto fd = of.open_folder(folder, make);
  if (!fd)
    return std::move(fd).why();
  return place{*std::move(fd), std::move(name)};
}

} // namespace

result<file_info> stat_file(const workspace& of, const std::string& path) {
  as_owner rights{of};
  auto fd = of.open_at(path, O_PATH);
  if (!fd)
    return std::move(fd).why();
  auto info = describe(fd->get(), "");
  if (!info)
    return file_error(of, path, errno);
  info->path = path;
  return *std::move(info);
}

result<opened_file> open_file(const workspace& of, const std::string& path) {
  as_owner rights{of};
  auto fd = of.open_at(path, O_RDONLY | O_NONBLOCK);
  if (!fd)
    return std::move(fd).why();
  auto info = describe(fd->get(), "");
  if (!info)
    return file_error(of, path, errno);
  if (info->type != file_type::file)
    return file_error(of, path, info->type == file_type::directory ? EISDIR : ENXIO);
  info->path = path;
  return opened_file{*std::move(fd), *std::move(info)};
}

result<unique_fd> open_unnamed(const workspace& of) {
  as_owner rights{of};
  unique_fd file{::openat(of.root(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, usual_mode)};
  if (!file)
    return file_error(of, "a new file", errno);
  return file;
}

result<file_info> publish(const workspace& of, const unique_fd& file, const std::string& path,
                          const publish_options& how) {
  as_owner rights{of};
  auto where = place_of(of, path, true);
  if (!where)
    return std::move(where).why();
  struct stat old {};
  bool there = ::fstatat(where->folder.get(), where->name.c_str(), &old, AT_SYMLINK_NOFOLLOW) == 0;
  if (there && S_ISDIR(old.st_mode))
    return file_error(of, path, EISDIR);
  auto mode = how.mode != 0                   ? how.mode & 07777
              : there && S_ISREG(old.st_mode) ? old.st_mode & 07777
                                              : usual_mode;
  if (::fchmod(file.get(), mode) != 0)
    return file_error(of, path, errno);
  std::array<char, 32> own{};
  std::snprintf(own.data(), own.size(), "/proc/self/fd/%d", file.get());
  if (how.exclusive) {
    if (::linkat(AT_FDCWD, own.data(), where->folder.get(), where->name.c_str(), AT_SYMLINK_FOLLOW)
        != 0)
      return file_error(of, path, errno);
  } else {
    // Replacing needs a name to rename; one that nobody guesses, outside of what clients see.
    auto name = ".put-" + random_text();
    if (::linkat(AT_FDCWD, own.data(), of.root(), name.c_str(), AT_SYMLINK_FOLLOW) != 0)
      return file_error(of, path, errno);
    if (::renameat(of.root(), name.c_str(), where->folder.get(), where->name.c_str()) != 0) {
      auto why = errno;
      (void)::unlinkat(of.root(), name.c_str(), 0);
      return file_error(of, path, why);
    }
  }
  auto info = describe(file.get(), "");
  if (!info)
    return file_error(of, path, errno);
  info->path = path;
  return *std::move(info);
}

status write_all(const workspace& of, const unique_fd& file, std::string_view bytes,
                 std::uint64_t at) {
  as_owner rights{of};
  while (!bytes.empty()) {
    auto n = ::pwrite(file.get(), bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return file_error(of, "a new file", n == 0 ? ENOSPC : errno);
    at += static_cast<std::uint64_t>(n);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return done{};
}

result<std::string> read_some(const unique_fd& file, std::uint64_t at, std::size_t most) {
  std::string out;
  out.resize(most);
  std::size_t have = 0;
  while (have < most) {
    auto n = ::pread(file.get(), out.data() + have, most - have, static_cast<off_t>(at + have));
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return os_error("read", "a file of a workspace", errno);
    if (n == 0)
      break;
    have += static_cast<std::size_t>(n);
  }
  out.resize(have);
  return out;
}

result<file_info> make_directory(const workspace& of, const std::string& path) {
  {
    as_owner rights{of};
    if (auto fd = of.open_folder(path, true); !fd)
      return std::move(fd).why();
  }
  return stat_file(of, path);
}

result<file_info> move_file(const workspace& of, const std::string& from, const std::string& to,
                            bool replace) {
  {
    as_owner rights{of};
    auto source = place_of(of, from, false);
    if (!source)
      return std::move(source).why();
    struct stat what {};
    if (::fstatat(source->folder.get(), source->name.c_str(), &what, AT_SYMLINK_NOFOLLOW) != 0)
      return file_error(of, from, errno);
    auto target = place_of(of, to, true);
    if (!target)
      return std::move(target).why();
    if (::renameat2(source->folder.get(), source->name.c_str(), target->folder.get(),
                    target->name.c_str(), replace ? 0 : RENAME_NOREPLACE)
        != 0)
      return file_error(of, errno == ENOENT ? from : to, errno);
  }
  return stat_file(of, to);
}

} // namespace vivarium::sandbox
