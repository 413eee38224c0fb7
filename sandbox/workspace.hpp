// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"
#include "proto/unique_fd.hpp"

#include <cstdint>
#include <string>
#include <string_view>

#include <sys/types.h>

namespace vivarium::sandbox {

// The files of a worker as the daemon reaches them: by a descriptor of the worker's own tmpfs that
// it holds, never by a path of the host. The worker's code runs meanwhile and may rename, replace
// and link whatever it likes: so the kernel resolves every path beneath that descriptor, without
// symbolic links and without crossing a mount, and what has been opened is looked at before it is
// read. The thread that does this has no more rights than the worker, see `as_owner`.

/// The descriptor, and whose files these are. Immutable; any thread.
class workspace {
public:
  /// Opens the files of a sealed worker. `listener` is its seccomp listener, which tells that the
  /// number is still the worker's. A few walks through memory, it does not block.
  static result<workspace> open(pid_t worker, int listener);
  /// A directory that stands for a worker's tmpfs, for tests and for the daemon's own trees. The
  /// files are what is below `inner` in it, which may be empty.
  static result<workspace> at(unique_fd root, std::string inner);

  /// The tmpfs: outside of what a client sees, inside of the same quota.
  [[nodiscard]] int root() const noexcept { return root_.get(); }
  [[nodiscard]] uid_t uid() const noexcept { return uid_; }
  [[nodiscard]] gid_t gid() const noexcept { return gid_; }

  /// Opens what is at a checked path, see `workspace_path`, without following symbolic links.
  [[nodiscard]] result<unique_fd> open_at(const std::string& path, int flags) const;
  /// Opens a directory, making what is missing on the way.
  [[nodiscard]] result<unique_fd> open_folder(const std::string& path, bool make) const;

private:
  workspace() = default;
  [[nodiscard]] int try_open(const std::string& path, int flags) const noexcept;

  unique_fd root_;
  std::string inner_;
  uid_t uid_ = 0;
  gid_t gid_ = 0;
};

/// The rights of the owner of a workspace, and no others, for file work of the calling thread while
/// it lives. As an ordinary user the daemon and its workers are one user, and it does nothing.
class as_owner {
public:
  explicit as_owner(const workspace& of) noexcept;
  as_owner(const as_owner&) = delete;
  as_owner& operator=(const as_owner&) = delete;
  ~as_owner();

private:
  uid_t uid_;
  gid_t gid_;
};

/// Bytes that the files of a workspace take of its tmpfs.
[[nodiscard]] std::uint64_t bytes_used(const workspace& of) noexcept;

/// The error of a call about a file of a workspace: what is wrong with `path`, or which limit was
/// met.
[[nodiscard]] error file_error(const workspace& of, std::string_view path, int errno_value);

} // namespace vivarium::sandbox
