// SPDX-License-Identifier: Apache-2.0
#include "daemon/lifecycle.hpp"

#include "proto/unique_fd.hpp"

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace vivarium {

void prepare_process() {
  // Its memory holds what tenants sent: nobody of the same user shall read it.
  ::prctl(PR_SET_DUMPABLE, 0);
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
}

status write_port_file(const std::string& path, std::uint16_t port) {
  auto text = std::to_string(port) + "\n";
  auto temporary = path + ".tmp." + std::to_string(::getpid());
  unique_fd file{
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644)};
  if (!file)
    return os_error("open", temporary, errno);
  if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())
      || ::rename(temporary.c_str(), path.c_str()) != 0) {
    auto why = os_error("write", path, errno);
    ::unlink(temporary.c_str());
    return why;
  }
  return done{};
}

void notify_manager(std::string_view state) noexcept {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr || (*path != '/' && *path != '@'))
    return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  auto size = std::strlen(path);
  if (size >= sizeof(address.sun_path))
    return;
  std::memcpy(address.sun_path, path, size);
  if (*path == '@')
    address.sun_path[0] = '\0'; // the abstract namespace
  unique_fd socket{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  if (!socket)
    return;
  ::sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL,
           reinterpret_cast<const sockaddr*>(&address),
           static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size));
}

std::string state_directory() {
  if (::geteuid() == 0)
    return "/var/lib/vivarium";
  if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state == '/')
    return std::string{state} + "/vivarium";
  if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/')
    return std::string{home} + "/.local/state/vivarium";
  return {};
}

std::optional<std::chrono::microseconds> watchdog_timeout() {
  auto number = [](const char* name) -> std::uint64_t {
    const char* text = std::getenv(name);
    std::uint64_t value = 0;
    if (text == nullptr)
      return 0;
    const char* stop = text + std::strlen(text);
    auto read = std::from_chars(text, stop, value);
    return read.ec == std::errc{} && read.ptr == stop ? value : 0;
  };
  auto whose = number("WATCHDOG_PID");
  auto timeout = number("WATCHDOG_USEC");
  constexpr std::uint64_t longest = 24ull * 3600 * 1'000'000;
  if (timeout == 0 || timeout > longest
      || (whose != 0 && whose != static_cast<std::uint64_t>(::getpid())))
    return std::nullopt;
  return std::chrono::microseconds{timeout};
}

std::string program_directory() {
  std::error_code why;
  auto self = std::filesystem::read_symlink("/proc/self/exe", why);
  return why ? std::string{"."} : self.parent_path().string();
}

} // namespace vivarium
