// SPDX-License-Identifier: Apache-2.0
#include "sandbox/tree_copy.hpp"

#include "sandbox/workspace_path.hpp"
#include "sandbox/workspace_walk.hpp"

#include <algorithm>
#include <cerrno>
#include <optional>

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

namespace vivarium::sandbox {

namespace {

constexpr int nofollow = O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;

// What a disk gives to whatever has a name.
constexpr std::uint64_t block = 4'096;

std::uint64_t counted(const file_info& info) {
  auto blocks = info.type == file_type::file ? info.size / block + (info.size % block != 0) : 1;
  return std::max<std::uint64_t>(blocks, 1) * block;
}

/// Takes on the rights of a side, where it has an owner.
class rights_of {
public:
  explicit rights_of(const tree_side& side) {
    if (side.owner != nullptr)
      rights_.emplace(*side.owner);
  }

private:
  std::optional<as_owner> rights_;
};

class copier {
public:
  copier(const tree_side& from, const tree_side& to, const tree_size& most)
      : from_{from}, to_{to}, most_{most} {}

  status folder(int source, int target, const std::string& path, std::size_t depth) {
    std::vector<std::string> names;
    {
      rights_of side{from_};
      names = names_in(source, most_walk_entries);
    }
    for (const auto& name : names) {
      auto full = join(path, name);
      std::optional<file_info> info;
      {
        rights_of side{from_};
        info = describe(source, name.c_str());
      }
      if (!info || info->type == file_type::other)
        continue;
      auto takes = counted(*info);
      if (size_.files >= most_.files || size_.bytes > most_.bytes
          || takes > most_.bytes - size_.bytes)
        return error{errc::no_space, "there is room for " + std::to_string(most_.bytes)
                                         + " bytes and " + std::to_string(most_.files)
                                         + " files and directories, and there is more at '" + full
                                         + "'"};
      ++size_.files;
      size_.bytes += takes;
      status ok = done{};
      if (info->type == file_type::directory)
        ok = depth < most_walk_depth
                 ? enter(source, target, name, full, *info, depth)
                 : error{errc::failed_precondition, "'" + full + "' is too deep to be copied"};
      else if (info->type == file_type::link)
        ok = link(target, name, full, *info);
      else
        ok = file(source, target, name, full, *info);
      if (!ok)
        return ok;
    }
    return done{};
  }

  [[nodiscard]] const tree_size& size() const noexcept { return size_; }

private:
  [[nodiscard]] error failed(const tree_side& side, const std::string& path) const {
    auto why = errno;
    return side.owner != nullptr ? file_error(*side.owner, path, why)
           : why == ENOSPC       ? error{errc::no_space, "the disk of the volumes is full"}
                                 : os_error("a copy of", path, why);
  }

  status enter(int source, int target, const std::string& name, const std::string& path,
               const file_info& info, std::size_t depth) {
    unique_fd inside;
    unique_fd copy;
    {
      rights_of side{from_};
      inside.reset(::openat(source, name.c_str(), O_RDONLY | O_DIRECTORY | nofollow));
      if (!inside)
        return failed(from_, path);
    }
    {
      rights_of side{to_};
      if (::mkdirat(target, name.c_str(), 0700) != 0 && errno != EEXIST)
        return failed(to_, path);
      copy.reset(::openat(target, name.c_str(), O_RDONLY | O_DIRECTORY | nofollow));
      if (!copy)
        return failed(to_, path);
    }
    if (auto ok = folder(inside.get(), copy.get(), path, depth + 1); !ok)
      return ok;
    rights_of side{to_};
    finish(copy.get(), info, 0700);
    return done{};
  }

  status link(int target, const std::string& name, const std::string& path, const file_info& info) {
    rights_of side{to_};
    (void)::unlinkat(target, name.c_str(), 0);
    if (::symlinkat(info.target.c_str(), target, name.c_str()) != 0)
      return failed(to_, path);
    return done{};
  }

  status file(int source, int target, const std::string& name, const std::string& path,
              const file_info& info) {
    unique_fd in;
    unique_fd out;
    {
      rights_of side{from_};
      in.reset(::openat(source, name.c_str(), O_RDONLY | nofollow));
      struct stat what {};
      if (!in || ::fstat(in.get(), &what) != 0)
        return failed(from_, path);
      if (!S_ISREG(what.st_mode))
        return error{errc::busy, "'" + path + "' changes while it is copied"};
    }
    rights_of side{to_};
    (void)::unlinkat(target, name.c_str(), 0);
    out.reset(::openat(target, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | nofollow, 0600));
    if (!out)
      return failed(to_, path);
    // No more than it had when it was counted.
    for (auto left = info.size; left > 0;) {
      auto n = ::sendfile(out.get(), in.get(), nullptr, std::min<std::uint64_t>(left, 1u << 30));
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return failed(to_, path);
      if (n == 0)
        break;
      left -= static_cast<std::uint64_t>(n);
    }
    finish(out.get(), info, 0600);
    return done{};
  }

  // Own trees stay readable to the daemon whatever a tenant has said.
  void finish(int fd, const file_info& info, std::uint32_t least) const {
    const timespec times[2] = {
        {0, UTIME_OMIT}, {info.modified_ns / 1'000'000'000, info.modified_ns % 1'000'000'000}};
    (void)::fchmod(fd, (info.mode & 0777) | (to_.owner == nullptr ? least : 0));
    (void)::futimens(fd, times);
  }

  const tree_side& from_;
  const tree_side& to_;
  tree_size most_;
  tree_size size_;
};

} // namespace

result<tree_size> copy_tree(const tree_side& from, const tree_side& to, const tree_size& most) {
  copier work{from, to, most};
  if (auto ok = work.folder(from.folder, to.folder, "", 0); !ok)
    return std::move(ok).why();
  return work.size();
}

} // namespace vivarium::sandbox
