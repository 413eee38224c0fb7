// SPDX-License-Identifier: Apache-2.0
#include "sandbox/landlock.hpp"

#include "sandbox/kernel.hpp"
#include "sandbox/prefixes.hpp"

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>

namespace vivarium::sandbox {

namespace {

constexpr std::uint64_t read_rights =
    LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
// Not sockets: `bind` is the daemon's decision.
constexpr std::uint64_t special_files =
    LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK;
// In a directory of the host nothing is made that others could be led by, or wait for.
constexpr std::uint64_t not_in_shared = special_files | LANDLOCK_ACCESS_FS_MAKE_SYM
                                        | LANDLOCK_ACCESS_FS_MAKE_FIFO
                                        | LANDLOCK_ACCESS_FS_MAKE_SOCK | kernel::fs_ioctl_dev;
constexpr std::uint64_t file_rights = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE
                                      | LANDLOCK_ACCESS_FS_WRITE_FILE | kernel::fs_truncate
                                      | kernel::fs_ioctl_dev;

std::uint64_t known_rights(int abi) {
  std::uint64_t rights = (1ull << 13) - 1;
  rights |= abi >= 2 ? kernel::fs_refer : 0;
  rights |= abi >= 3 ? kernel::fs_truncate : 0;
  rights |= abi >= 5 ? kernel::fs_ioctl_dev : 0;
  return rights;
}

status allow(int ruleset, const std::string& path, std::uint64_t rights) {
  unique_fd target{::open(path.c_str(), O_PATH | O_CLOEXEC)};
  if (!target)
    return errno == ENOENT ? status{done{}} : os_error("open", path, errno);
  struct stat what {};
  if (::fstat(target.get(), &what) != 0)
    return os_error("fstat", path, errno);
  landlock_path_beneath_attr rule{};
  rule.allowed_access = S_ISDIR(what.st_mode) ? rights : rights & file_rights;
  rule.parent_fd = target.get();
  if (kernel::landlock_add(ruleset, &rule) != 0)
    return os_error("landlock_add_rule", path, errno);
  return done{};
}

} // namespace

result<unique_fd> build_ruleset(const jailed_plan& plan) {
  int abi = kernel::landlock_abi();
  if (abi < 1)
    return error{errc::sandbox_unavailable, "the kernel has no Landlock"};
  auto known = known_rights(abi);
  kernel::landlock_ruleset wanted{known, kernel::net_bind_tcp | kernel::net_connect_tcp,
                                  kernel::scope_abstract_unix | kernel::scope_signal};
  unique_fd ruleset{kernel::landlock_create(&wanted, kernel::ruleset_size(abi), 0)};
  if (!ruleset)
    return os_error("landlock_create_ruleset", "", errno);
  // The rule lies on the parent of the mount point: what is mounted on /session/fs later is then
  // covered, whichever tmpfs it is. A rule on the mount point itself would cover none of them.
  if (auto allowed = allow(ruleset.get(), "/session", known & ~special_files); !allowed)
    return allowed.why();
  for (auto name : {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"})
    if (auto allowed = allow(ruleset.get(), name, known & file_rights); !allowed)
      return allowed.why();
  auto prefixes = interpreter_prefixes(plan.plan.python);
  if (!prefixes)
    return prefixes.why();
  std::vector<std::string> readable{"/usr", "/lib", "/lib64", "/etc", plan.runtime_inside()};
  readable.insert(readable.end(), prefixes->begin(), prefixes->end());
  // Without its own root the worker sees the host's /etc, and this layer stands alone.
  if (!plan.has(layer::mount_namespace))
    std::erase(readable, "/etc");
  for (const auto& path : readable)
    if (!path.empty())
      if (auto allowed = allow(ruleset.get(), path, read_rights); !allowed)
        return allowed.why();
  for (const auto& dir : plan.plan.dirs)
    if (auto allowed =
            allow(ruleset.get(), dir.path, dir.writable ? known & ~not_in_shared : read_rights);
        !allowed)
      return allowed.why();
  return ruleset;
}

} // namespace vivarium::sandbox
