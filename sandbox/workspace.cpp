// SPDX-License-Identifier: Apache-2.0
#include "sandbox/workspace.hpp"

#include "sandbox/workspace_path.hpp"

#include <cerrno>

#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace vivarium::sandbox {

namespace {

constexpr mode_t folder_mode = 0755;
// A rename that happens meanwhile has the kernel start over; a session that never stops gets an
// error.
constexpr int most_tries = 100;

int openat2(int folder, const char* path, int flags, std::uint64_t resolve) noexcept {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
  how.resolve = resolve;
  for (int n = 0;; ++n) {
    auto fd = static_cast<int>(::syscall(SYS_openat2, folder, path, &how, sizeof(how)));
    if (fd >= 0 || n == most_tries || (errno != EAGAIN && errno != EINTR))
      return fd;
  }
}

std::string room_of(const workspace& of) {
  struct statfs now {};
  if (::fstatfs(of.root(), &now) == 0 && now.f_files > 0 && now.f_ffree == 0)
    return "the workspace has its maximum of " + std::to_string(now.f_files)
           + " files and directories (limits.workspace_inodes)";
  return "the workspace is full: it has at most "
         + std::to_string(static_cast<std::uint64_t>(now.f_blocks)
                          * static_cast<std::uint64_t>(now.f_bsize))
         + " bytes (limits.workspace_bytes)";
}

} // namespace

result<workspace> workspace::open(pid_t worker, int listener) {
  auto path = "/proc/" + std::to_string(worker) + "/root";
  unique_fd top{::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
  if (!top)
    return os_error("open", path, errno);
  // A listener hangs up with the last task under its filter: the number is still the worker's.
  pollfd alive{listener, 0, 0};
  if (::poll(&alive, 1, 0) != 0)
    return error{errc::session_lost, "the worker has ended"};
  // The way to the tmpfs is in the jail's own root, which no worker can write to.
  constexpr const char* name = "session/fs";
  unique_fd root{openat2(top.get(), name, O_PATH | O_DIRECTORY,
                         RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)};
  if (!root)
    return os_error("openat2", name, errno);
  return at(std::move(root), "workspace");
}

result<workspace> workspace::at(unique_fd root, std::string inner) {
  struct stat what {};
  if (::fstat(root.get(), &what) != 0)
    return os_error("fstat", "a workspace", errno);
  workspace made;
  made.root_ = std::move(root);
  made.inner_ = std::move(inner);
  made.uid_ = what.st_uid;
  made.gid_ = what.st_gid;
  return made;
}

int workspace::try_open(const std::string& path, int flags) const noexcept {
  constexpr std::uint64_t beneath =
      RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
  auto full = join(inner_, path);
  return openat2(root_.get(), full.empty() ? "." : full.c_str(), flags | O_NOFOLLOW, beneath);
}

result<unique_fd> workspace::open_at(const std::string& path, int flags) const {
  unique_fd fd{try_open(path, flags)};
  if (!fd)
    return file_error(*this, path, errno);
  return fd;
}

result<unique_fd> workspace::open_folder(const std::string& path, bool make) const {
  constexpr int flags = O_RDONLY | O_DIRECTORY;
  unique_fd fd{try_open(path, flags)};
  if (fd || !make || errno != ENOENT || path.empty()) {
    if (!fd)
      return file_error(*this, path, errno);
    return fd;
  }
  // From the top down, each one opened before the next is made in it.
  for (std::size_t end = 0; end != std::string::npos;) {
    end = path.find('/', end + 1);
    auto part = path.substr(0, end);
    fd.reset(try_open(part, flags));
    for (int n = 0; !fd && errno == ENOENT && n < most_tries; ++n) {
      auto [above, name] = split(part);
      unique_fd folder{try_open(above, O_PATH | O_DIRECTORY)};
      if (!folder || (::mkdirat(folder.get(), name.c_str(), folder_mode) != 0 && errno != EEXIST))
        return file_error(*this, part, errno);
      fd.reset(try_open(part, flags));
    }
    if (!fd)
      return file_error(*this, part, errno);
  }
  return fd;
}

// Both return what was before, and neither fails audibly. Raw credentials of the thread: from here
// on the kernel takes its capabilities over files away as well.
as_owner::as_owner(const workspace& of) noexcept
    : uid_{static_cast<uid_t>(::setfsuid(static_cast<uid_t>(-1)))},
      gid_{static_cast<gid_t>(::setfsgid(static_cast<gid_t>(-1)))} {
  if (uid_ == of.uid() && gid_ == of.gid())
    return;
  ::setfsgid(of.gid());
  ::setfsuid(of.uid());
}

as_owner::~as_owner() {
  ::setfsuid(uid_);
  ::setfsgid(gid_);
}

std::uint64_t bytes_used(const workspace& of) noexcept {
  struct statfs now {};
  if (::fstatfs(of.root(), &now) != 0)
    return 0;
  return static_cast<std::uint64_t>(now.f_blocks - now.f_bfree)
         * static_cast<std::uint64_t>(now.f_bsize);
}

error file_error(const workspace& of, std::string_view path, int errno_value) {
  auto shown = path.empty() ? std::string{"the workspace"} : "'" + std::string{path} + "'";
  switch (errno_value) {
    case ENOENT: return error{errc::not_found, "there is no " + shown + " in the workspace"};
    case EEXIST: return error{errc::already_exists, "there is " + shown + " already"};
    case EISDIR: return error{errc::is_directory, shown + " is a directory"};
    case ENOTDIR:
      return error{errc::not_directory,
                   shown + " is not a directory, or something on the way to it is none"};
    case ENOTEMPTY:
      return error{errc::failed_precondition,
                   shown
                       + " is a directory that is not empty (`recursive` removes it all the same)"};
    case ELOOP:
      return error{errc::failed_precondition,
                   "a symbolic link is at " + shown
                       + " or on the way to it; links are not followed: say where it leads"};
    case EXDEV: return error{errc::invalid_argument, shown + " leads out of the workspace"};
    case EACCES:
    case EPERM:
      return error{errc::permission_denied,
                   "the permission bits of " + shown + " or of a directory above it forbid that"};
    case ENOSPC:
    case EDQUOT: return error{errc::no_space, room_of(of)};
    case EFBIG: return error{errc::too_large, shown + " would be too large"};
    case ENAMETOOLONG: return error{errc::invalid_argument, shown + " is too long"};
    case EINVAL: return error{errc::invalid_argument, shown + " cannot be used like that"};
    case EAGAIN:
      return error{errc::busy, "the session's code renames what is on the way to " + shown
                                   + " all the time; try again"};
    case ENXIO: return error{errc::failed_precondition, shown + " is not a regular file"};
    default: return os_error("a file operation on", shown, errno_value);
  }
}

} // namespace vivarium::sandbox
