// SPDX-License-Identifier: Apache-2.0
#include "sandbox/root_fs.hpp"

#include "sandbox/prefixes.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace vivarium::sandbox {

namespace {

constexpr std::uint64_t plain = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
constexpr std::uint64_t to_write = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
constexpr std::uint64_t device = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
const char* const new_root = "/tmp"; // Any directory: the host's is hidden, not changed.

status make_folders(const std::string& path) {
  for (std::size_t at = 1; at != std::string::npos && at < path.size();) {
    at = path.find('/', at + 1);
    auto part = path.substr(0, at);
    if (::mkdir(part.c_str(), 0755) != 0 && errno != EEXIST)
      return os_error("mkdir", part, errno);
  }
  return done{};
}

status put_file(const std::string& path, const std::string& content) {
  if (auto made = make_folders(parent_of(path)); !made)
    return made;
  unique_fd fd{::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)};
  if (!fd)
    return os_error("open", path, errno);
  if (::write(fd.get(), content.data(), content.size()) != static_cast<ssize_t>(content.size()))
    return os_error("write", path, errno);
  return done{};
}

status put_link(const std::string& path, const std::string& target) {
  if (auto made = make_folders(parent_of(path)); !made)
    return made;
  if (::symlink(target.c_str(), path.c_str()) != 0)
    return os_error("symlink", path, errno);
  return done{};
}

status enter(const char* root) {
  if (::chdir(root) != 0)
    return os_error("chdir", root, errno);
  if (::syscall(SYS_pivot_root, ".", ".") != 0)
    return os_error("pivot_root", root, errno);
  if (::umount2(".", MNT_DETACH) != 0)
    return os_error("umount2", "the host's root", errno);
  if (::chdir("/") != 0)
    return os_error("chdir", "/", errno);
  mount_attr only_read{};
  only_read.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  if (::mount_setattr(AT_FDCWD, "/", 0, &only_read, sizeof(only_read)) != 0)
    return os_error("mount_setattr", "/", errno);
  return done{};
}

} // namespace

status jail_root::add_tree(const std::string& source, const std::string& target,
                           std::uint64_t attributes) {
  unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE;
  unique_fd mount{::open_tree(AT_FDCWD, source.c_str(), flags)};
  if (!mount)
    return os_error("open_tree", source, errno);
  mount_attr wanted{};
  wanted.attr_set = attributes;
  unsigned where = AT_EMPTY_PATH | AT_RECURSIVE;
  if (::mount_setattr(mount.get(), "", where, &wanted, sizeof(wanted)) != 0)
    return os_error("mount_setattr", source, errno);
  struct stat what {};
  if (::fstat(mount.get(), &what) != 0)
    return os_error("fstat", source, errno);
  trees_.push_back({target, std::move(mount), S_ISDIR(what.st_mode)});
  return done{};
}

status jail_root::add_prefixes() {
  auto prefixes = interpreter_prefixes(plan_.plan.python);
  if (!prefixes)
    return prefixes.why();
  for (const auto& prefix : *prefixes)
    if (auto added = add_tree(prefix, prefix, plain); !added)
      return added;
  return done{};
}

status jail_root::add_etc() {
  // `alternatives` because Debian's BLAS is a link through it: without it numpy cannot be imported.
  for (auto folder : {"/etc/alternatives", "/etc/ssl/certs", "/etc/fonts", "/etc/python3.11"})
    if (::access(folder, R_OK | X_OK) == 0)
      if (auto added = add_tree(folder, folder, plain); !added)
        return added;
  for (auto name :
       {"/etc/ld.so.cache", "/etc/ssl/openssl.cnf", "/etc/matplotlibrc", "/etc/mime.types",
        "/etc/protocols", "/etc/services", "/etc/timezone", "/etc/debian_version"})
    if (::access(name, R_OK) == 0)
      files_.push_back({name, read_small(name), false});
  files_.push_back({"/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n", false});
  // Each worker's own, on its tmpfs, since each has another uid and may have other hosts.
  for (std::string name : {"passwd", "group", "hosts"})
    files_.push_back({"/etc/" + name, "/session/fs/etc/" + name, true});
  files_.push_back({"/etc/localtime", "/usr/share/zoneinfo/Etc/UTC", true});
  files_.push_back({"/etc/os-release", "../usr/lib/os-release", true});
  return done{};
}

status jail_root::open_sources() {
  if (!plan_.has(layer::mount_namespace))
    return done{};
  if (auto added = add_tree("/usr", "/usr", plain); !added)
    return added;
  for (std::string name : {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}) {
    std::array<char, 256> room{};
    auto n = ::readlink(name.c_str(), room.data(), room.size());
    if (n > 0)
      files_.push_back({name, std::string{room.data(), static_cast<std::size_t>(n)}, true});
    else if (::access(name.c_str(), X_OK) == 0)
      if (auto added = add_tree(name, name, plain); !added)
        return added;
  }
  if (auto added = add_prefixes(); !added)
    return added;
  if (const auto& runtime = plan_.plan.runtime; !runtime.empty())
    if (auto added = add_tree(runtime, plan_.runtime_inside(), plain); !added)
      return added;
  for (auto name : {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"})
    if (auto added = add_tree(name, name, device); !added)
      return added;
  for (const auto& dir : plan_.plan.dirs)
    if (auto added = add_tree(dir.path, dir.path, dir.writable ? to_write : plain); !added)
      return added;
  for (const auto& path : plan_.plan.import_paths)
    if (!is_shared(path))
      if (auto added = add_tree(path, path, plain); !added)
        return added;
  return add_etc();
}

bool jail_root::is_shared(const std::string& path) const {
  if (path.starts_with("/usr/"))
    return true;
  return std::any_of(trees_.begin(), trees_.end(), [&](const tree& one) {
    return path == one.target || path.starts_with(one.target + "/");
  });
}

status jail_root::make_skeleton() const {
  std::string root = new_root;
  for (auto name : {"/session/fs", "/dev", "/etc", "/opt"})
    if (auto made = make_folders(root + name); !made)
      return made;
  for (const auto& [link, target] : {std::pair{"/tmp", "/session/fs/tmp"},
                                     {"/dev/shm", "/session/fs/shm"},
                                     {"/workspace", "/session/fs/workspace"}})
    if (auto made = put_link(root + link, target); !made)
      return made;
  for (const auto& file : files_)
    if (auto made = file.link ? put_link(root + file.target, file.content)
                              : put_file(root + file.target, file.content);
        !made)
      return made;
  return done{};
}

status jail_root::attach_all() const {
  for (const auto& one : trees_) {
    auto target = new_root + one.target;
    if (auto made = one.directory ? make_folders(target) : put_file(target, ""); !made)
      return made;
    if (::move_mount(one.mount.get(), "", AT_FDCWD, target.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0)
      return os_error("move_mount", one.target, errno);
  }
  // What the zygote's preload may write to; each worker mounts its own tmpfs over it.
  auto scratch = std::string{new_root} + "/session/fs";
  if (::mount("tmpfs", scratch.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, "size=64m,mode=0755") != 0)
    return os_error("mount", "the zygote's scratch", errno);
  for (auto name : {"/tmp", "/shm", "/workspace", "/etc"})
    if (auto made = make_folders(scratch + name); !made)
      return made;
  return put_file(scratch + "/etc/passwd", "root:x:0:0::/workspace:/usr/sbin/nologin\n");
}

status jail_root::build() {
  if (::sethostname("vivarium", 8) != 0)
    return os_error("sethostname", "", errno);
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    return os_error("mount", "/ private", errno);
  if (!plan_.has(layer::mount_namespace))
    return done{};
  if (::mount("tmpfs", new_root, "tmpfs", MS_NOSUID, "size=8m,nr_inodes=2048,mode=0755") != 0)
    return os_error("mount", "the jail's root", errno);
  if (auto made = make_skeleton(); !made)
    return made;
  if (auto attached = attach_all(); !attached)
    return attached;
  trees_.clear();
  return enter(new_root);
}

result<unique_fd> jail_root::mount_proc() const {
  unique_fd context{::fsopen("proc", FSOPEN_CLOEXEC)};
  if (!context)
    return os_error("fsopen", "proc", errno);
  ::fsconfig(context.get(), FSCONFIG_SET_STRING, "subset", "pid", 0);
  if (::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
    return os_error("fsconfig", "proc", errno);
  unsigned attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  unique_fd mount{::fsmount(context.get(), FSMOUNT_CLOEXEC, attributes)};
  if (!mount)
    return os_error("fsmount", "proc (is /proc partly hidden here, as in some containers?)", errno);
  return mount;
}

} // namespace vivarium::sandbox
