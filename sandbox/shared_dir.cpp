// SPDX-License-Identifier: Apache-2.0
#include "sandbox/shared_dir.hpp"

#include <string_view>

namespace vivarium::sandbox {

namespace {

constexpr std::size_t longest_path = 1'024;

bool is_plain(std::string_view path) {
  if (!path.starts_with('/') || path.size() < 2 || path.size() > longest_path)
    return false;
  while (!path.empty()) {
    path.remove_prefix(1);
    auto part = path.substr(0, path.find('/'));
    if (part.empty() || part == "." || part == ".." || part.find('\0') != std::string_view::npos)
      return false;
    path.remove_prefix(part.size());
  }
  return true;
}

bool is_below(std::string_view path, std::string_view folder) {
  return path == folder || (path.starts_with(folder) && path[folder.size()] == '/');
}

} // namespace

status check_shared_dir(const std::string& path) {
  if (!is_plain(path))
    return error{errc::invalid_argument,
                 "must be an absolute path without \"..\", \".\", \"//\" and a slash at the end"};
  for (std::string_view own :
       {"/bin", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/opt/vivarium", "/proc",
        "/sbin", "/session", "/sys", "/tmp", "/usr", "/workspace"})
    if (is_below(path, own) || is_below(own, path))
      return error{errc::invalid_argument,
                   "cannot be shown: " + std::string{own} + " is the sandbox's own"};
  return done{};
}

} // namespace vivarium::sandbox
