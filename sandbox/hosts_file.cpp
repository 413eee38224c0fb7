// SPDX-License-Identifier: Apache-2.0
#include "sandbox/hosts_file.hpp"

#include "proto/unique_fd.hpp"

#include <cerrno>

#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace vivarium::sandbox {

status write_hosts(pid_t worker, int listener, const std::string& text) {
  auto path = "/proc/" + std::to_string(worker) + "/root";
  unique_fd root{::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
  if (!root)
    return os_error("open", path, errno);
  // A listener hangs up with the last task under its filter: the number is still the worker's.
  pollfd alive{listener, 0, 0};
  if (::poll(&alive, 1, 0) != 0)
    return error{errc::session_lost, "the worker has ended"};
  open_how how{};
  how.flags = O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  constexpr const char* name = "session/fs/etc/hosts";
  unique_fd file{static_cast<int>(::syscall(SYS_openat2, root.get(), name, &how, sizeof(how)))};
  if (!file)
    return os_error("openat2", name, errno);
  if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    return os_error("write", name, errno);
  return done{};
}

} // namespace vivarium::sandbox
