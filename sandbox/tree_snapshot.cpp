// SPDX-License-Identifier: Apache-2.0
#include "sandbox/tree_snapshot.hpp"

#include "sandbox/workspace_path.hpp"
#include "sandbox/workspace_walk.hpp"

#include <algorithm>
#include <cerrno>
#include <ctime>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace vivarium::sandbox {

namespace {

constexpr int open_flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
constexpr int most_waits = 50;

std::int64_t nanoseconds(const timespec& t) noexcept {
  return t.tv_sec * 1'000'000'000 + t.tv_nsec;
}

class looker {
public:
  void walk(int folder, const std::string& path, std::size_t depth) {
    for (const auto& name : names_in(folder, most_walk_entries)) {
      if (out_.marks.size() >= most_walk_entries)
        return miss(path);
      struct stat what {};
      if (::fstatat(folder, name.c_str(), &what, AT_SYMLINK_NOFOLLOW) != 0)
        continue; // It has gone meanwhile.
      auto full = join(path, name);
      auto& mark = out_.marks[full];
      mark.type = S_ISREG(what.st_mode)   ? file_type::file
                  : S_ISDIR(what.st_mode) ? file_type::directory
                  : S_ISLNK(what.st_mode) ? file_type::link
                                          : file_type::other;
      mark.mode = what.st_mode & 07777;
      mark.size = mark.type == file_type::directory ? 0 : static_cast<std::uint64_t>(what.st_size);
      mark.inode = what.st_ino;
      mark.modified_ns = nanoseconds(what.st_mtim);
      mark.changed_ns = nanoseconds(what.st_ctim);
      newest_ = std::max(newest_, mark.changed_ns);
      if (mark.type != file_type::directory)
        continue;
      unique_fd below{depth < most_walk_depth ? ::openat(folder, name.c_str(), open_flags) : -1};
      if (below)
        walk(below.get(), full, depth + 1);
      else
        miss(full);
    }
  }

  // What is changed within the same tick of the kernel's clock has the same times.
  void let_the_clock_move() const {
    timespec now{};
    const timespec while_we_wait{0, 1'000'000};
    for (int n = 0; n < most_waits && ::clock_gettime(CLOCK_REALTIME_COARSE, &now) == 0
                    && nanoseconds(now) <= newest_;
         ++n)
      ::nanosleep(&while_we_wait, nullptr);
  }

  tree_snapshot out_;

private:
  void miss(const std::string& path) {
    if (out_.complete)
      out_.missing = path;
    out_.complete = false;
  }
  std::int64_t newest_ = 0;
};

bool is_same(const file_mark& a, const file_mark& b) {
  return a.type == file_type::directory && b.type == file_type::directory ? a.mode == b.mode
                                                                          : a == b;
}

} // namespace

result<tree_snapshot> take_snapshot(const workspace& of) {
  as_owner rights{of};
  auto folder = of.open_folder("", false);
  if (!folder)
    return std::move(folder).why();
  looker look;
  look.walk(folder->get(), "", 0);
  look.let_the_clock_move();
  return std::move(look.out_);
}

tree_changes compare(const tree_snapshot& before, const tree_snapshot& after, std::size_t most) {
  tree_changes out;
  out.truncated = !before.complete || !after.complete;
  std::size_t n = 0;
  auto note = [&](std::vector<std::string>& into, const std::string& path) {
    if (n++ < most)
      into.push_back(path);
    else
      out.truncated = true;
  };
  for (const auto& [path, mark] : after.marks) {
    auto old = before.marks.find(path);
    if (old == before.marks.end())
      note(out.added, path);
    else if (!is_same(old->second, mark))
      note(out.modified, path);
  }
  for (const auto& [path, mark] : before.marks)
    if (!after.marks.contains(path))
      note(out.deleted, path);
  return out;
}

} // namespace vivarium::sandbox
