// SPDX-License-Identifier: Apache-2.0
#include "sandbox/uid_claim.hpp"

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <limits>
#include <string>

#include <sys/socket.h>
#include <sys/un.h>

namespace vivarium::sandbox {

result<uid_claim> uid_claim::take(std::uint32_t base) {
  constexpr std::uint64_t size = std::uint64_t{uids_per_jail} * jails_per_claim;
  // The last uid is (uid_t)-1, which means "none".
  for (std::uint64_t first = base; first + size < std::numeric_limits<std::uint32_t>::max();
       first += size) {
    unique_fd held{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (!held)
      return os_error("socket", "AF_UNIX", errno);
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    auto name = "vivarium-uids-" + std::to_string(first);
    std::memcpy(address.sun_path + 1, name.data(), name.size());
    auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    if (::bind(held.get(), reinterpret_cast<const sockaddr*>(&address), length) == 0)
      return uid_claim{std::move(held), static_cast<std::uint32_t>(first)};
    if (errno != EADDRINUSE)
      return os_error("bind", name, errno);
  }
  return error{errc::sandbox_unavailable,
               "every range of host uids from sandbox.uid_base on is in use by other daemons"};
}

} // namespace vivarium::sandbox
