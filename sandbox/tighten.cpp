// SPDX-License-Identifier: Apache-2.0
#include "sandbox/tighten.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <poll.h>
#include <sys/resource.h>

namespace vivarium::sandbox {

// A pid is given to somebody else only after its process was reaped, and a process that was reaped
// has left its filter: as long as the listener has not hung up the pid is the worker's.
bool worker_has_ended(int listener) noexcept {
  pollfd watched{listener, POLLIN, 0};
  return ::poll(&watched, 1, 0) == 1 && (watched.revents & (POLLHUP | POLLERR)) != 0;
}

status tighten_worker(pid_t host_pid, int listener, const fork_size& size,
                      const worker_limits& limits) {
  if (worker_has_ended(listener))
    return error{errc::unavailable, "the worker has ended"};
  const std::pair<__rlimit_resource, std::uint64_t> all[] = {
      {RLIMIT_AS, address_space_limit(size, limits)},
      {RLIMIT_DATA, data_limit(size, limits)},
      {RLIMIT_NPROC, limits.threads},
      {RLIMIT_NOFILE, limits.descriptors},
      {RLIMIT_FSIZE, limits.file_bytes}};
  for (const auto& [what, value] : all) {
    rlimit now{};
    if (::prlimit(host_pid, what, nullptr, &now) != 0)
      return os_error("prlimit", "of a worker", errno);
    auto allowed = std::min<rlim_t>(value, now.rlim_max);
    rlimit wanted{allowed, allowed};
    if (::prlimit(host_pid, what, &wanted, nullptr) != 0)
      return os_error("prlimit", "of a worker", errno);
  }
  return done{};
}

} // namespace vivarium::sandbox
