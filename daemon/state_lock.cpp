// SPDX-License-Identifier: Apache-2.0
#include "daemon/state_lock.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace vivarium {

namespace {

constexpr std::size_t most_about = 300;

std::string host() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? std::string{name.data()}
                                                          : std::string{};
}

status make_folders(const std::string& directory) {
  for (std::size_t end = 0; end != std::string::npos;) {
    end = directory.find('/', end + 1);
    auto part = directory.substr(0, end);
    // What is there already may be in a folder that is for reading only.
    struct stat info {};
    if (::stat(part.c_str(), &info) != 0 && ::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST)
      return os_error("mkdir", part, errno);
  }
  return done{};
}

/// What whoever has the lock wrote about itself, as far as it is fit to be shown.
std::string about(int file) {
  std::array<char, most_about> room{};
  auto n = ::pread(file, room.data(), room.size(), 0);
  std::string_view text{room.data(), n > 0 ? static_cast<std::size_t>(n) : 0};
  text = text.substr(0, text.find('\n'));
  bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return c >= ' ' && c < 0x7f;
  });
  return plain ? std::string{text} : std::string{"which has not said who it is"};
}

} // namespace

result<state_lock> state_lock::take(const std::string& directory) {
  if (auto ok = make_folders(directory); !ok)
    return std::move(ok).why();
  auto path = directory + "/.lock";
  unique_fd file{::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600)};
  if (!file)
    return os_error("open", path, errno);
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK)
      return os_error("flock", path, errno);
    return error{errc::already_exists,
                 "the state directory " + directory + " belongs to a vivariumd that runs, "
                     + about(file.get())
                     + ": stop that one, or give this one a directory of its own with --state-dir "
                       "or server.state_dir"};
  }
  auto text = "process " + std::to_string(::getpid()) + " on " + host() + "\n";
  // For whoever comes second; the lock holds without it.
  if (::ftruncate(file.get(), 0) == 0)
    (void)!::pwrite(file.get(), text.data(), text.size(), 0);
  return state_lock{std::move(file)};
}

} // namespace vivarium
