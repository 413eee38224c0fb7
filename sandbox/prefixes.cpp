// SPDX-License-Identifier: Apache-2.0
#include "sandbox/prefixes.hpp"

#include "proto/unique_fd.hpp"

#include <climits>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

#include <fcntl.h>
#include <unistd.h>

namespace vivarium::sandbox {

namespace {

constexpr std::size_t small_file_limit = 1u << 20;

bool is_below(std::string_view path, std::string_view folder) {
  return path == folder || (path.starts_with(folder) && path[folder.size()] == '/');
}

std::string real_path(const std::string& path) {
  std::array<char, PATH_MAX> room{};
  return ::realpath(path.c_str(), room.data()) ? std::string{room.data()} : path;
}

// A virtual environment names the installation that it borrows its library from.
std::string home_of(const std::string& prefix) {
  auto config = read_small(prefix + "/pyvenv.cfg");
  auto at = config.starts_with("home") ? 0 : config.find("\nhome");
  if (at == std::string::npos)
    return {};
  auto from = config.find_first_not_of(" =\t", at + (at == 0 ? 4 : 5));
  auto to = config.find('\n', at + 1);
  return from == std::string::npos || from >= to ? std::string{} : config.substr(from, to - from);
}

} // namespace

std::string parent_of(const std::string& path) {
  auto slash = path.rfind('/');
  return slash == std::string::npos || slash == 0 ? "/" : path.substr(0, slash);
}

std::string read_small(const std::string& path) {
  unique_fd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  std::string out;
  std::array<char, 8192> part{};
  while (fd && out.size() < small_file_limit) {
    auto n = ::read(fd.get(), part.data(), part.size());
    if (n <= 0)
      break;
    out.append(part.data(), static_cast<std::size_t>(n));
  }
  return out;
}

result<std::vector<std::string>> interpreter_prefixes(const std::string& python) {
  if (!python.starts_with('/'))
    return error{errc::invalid_argument, "the interpreter's path is not absolute: " + python};
  auto own = parent_of(parent_of(python));
  if (own == "/") // /bin/python3, where /bin is a link into /usr.
    own = parent_of(real_path(parent_of(python)));
  std::vector<std::string> wanted{own, parent_of(parent_of(real_path(python)))};
  if (auto home = home_of(own); home.starts_with('/'))
    wanted.push_back(parent_of(home));
  std::vector<std::string> out;
  for (const auto& prefix : wanted) {
    auto covers = [&](const std::string& folder) { return is_below(prefix, folder); };
    if (covers("/usr") || std::any_of(out.begin(), out.end(), covers))
      continue;
    for (std::string reserved : {"/tmp", "/dev", "/etc", "/proc", "/session", "/opt/vivarium"})
      if (prefix == "/" || covers(reserved))
        return error{errc::invalid_argument,
                     "an interpreter below " + prefix
                         + " cannot be shown to the jail; install it elsewhere"};
    out.push_back(prefix);
  }
  return out;
}

} // namespace vivarium::sandbox
