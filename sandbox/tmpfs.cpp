// SPDX-License-Identifier: Apache-2.0
#include "sandbox/tmpfs.hpp"

#include "proto/unique_fd.hpp"

#include <cerrno>
#include <cstdio>

#include <sys/mount.h>

namespace vivarium::sandbox {

namespace {

int set_number(int context, const char* key, std::uint64_t value) noexcept {
  char text[24];
  std::snprintf(text, sizeof(text), "%llu", static_cast<unsigned long long>(value));
  return ::fsconfig(context, FSCONFIG_SET_STRING, key, text, 0) == 0 ? 0 : errno;
}

} // namespace

int resize_tmpfs(int root, std::uint64_t bytes, std::uint32_t inodes) noexcept {
  unique_fd context{::fspick(root, "", FSPICK_EMPTY_PATH | FSPICK_CLOEXEC)};
  if (!context)
    return errno;
  if (int problem = set_number(context.get(), "size", bytes); problem != 0)
    return problem;
  if (int problem = set_number(context.get(), "nr_inodes", inodes + furniture_inodes); problem != 0)
    return problem;
  return ::fsconfig(context.get(), FSCONFIG_CMD_RECONFIGURE, nullptr, nullptr, 0) == 0 ? 0 : errno;
}

} // namespace vivarium::sandbox
