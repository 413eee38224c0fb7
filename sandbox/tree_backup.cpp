// SPDX-License-Identifier: Apache-2.0
#include "sandbox/tree_snapshot.hpp"
#include "sandbox/workspace_path.hpp"
#include "sandbox/workspace_walk.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

namespace vivarium::sandbox {

namespace {

constexpr std::size_t chunk = 256u << 10;

/// Copies as much as there is, at most `length`.
result<std::uint64_t> copy_bytes(int from, std::uint64_t at, int to, std::uint64_t where,
                                 std::uint64_t length) {
  if (::lseek(to, static_cast<off_t>(where), SEEK_SET) < 0)
    return os_error("lseek", "a copy of a file", errno);
  auto offset = static_cast<off_t>(at);
  std::uint64_t copied = 0;
  while (copied < length) {
    auto n = ::sendfile(to, from, &offset, std::min<std::uint64_t>(length - copied, 1u << 30));
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return os_error("sendfile", "a copy of a file", errno);
    if (n == 0)
      break;
    copied += static_cast<std::uint64_t>(n);
  }
  return copied;
}

struct folder_and_name {
  unique_fd folder;
  std::string name;
};

result<folder_and_name> place_of(const workspace& of, const std::string& path) {
  auto [above, name] = split(path);
  auto folder = of.open_folder(above, true);
  if (!folder)
    return std::move(folder).why();
  return folder_and_name{*std::move(folder), std::move(name)};
}

void note(status& outcome, error why) {
  if (outcome)
    outcome = std::move(why);
}

std::int64_t nanoseconds_of(const timespec& t) noexcept {
  return t.tv_sec * 1'000'000'000 + t.tv_nsec;
}

timespec time_of(std::int64_t ns) noexcept {
  return {ns / 1'000'000'000, ns % 1'000'000'000};
}

} // namespace

result<tree_backup> tree_backup::take(const workspace& of, std::uint64_t most) {
  auto marks = take_snapshot(of);
  if (!marks)
    return std::move(marks).why();
  if (!marks->complete)
    return error{errc::failed_precondition, "a transaction needs all of the workspace, and '"
                                                + marks->missing + "' cannot be looked into"};
  tree_backup made;
  made.marks_ = *std::move(marks);
  made.copy_.reset(::memfd_create("vivarium-backup", MFD_CLOEXEC));
  if (!made.copy_)
    return os_error("memfd_create", "", errno);
  as_owner rights{of};
  for (const auto& [path, mark] : made.marks_.marks) {
    if (mark.type == file_type::file) {
      if (auto ok = made.copy_file(of, path, most); !ok)
        return std::move(ok).why();
    } else if (mark.type == file_type::link) {
      auto link = of.open_at(path, O_PATH);
      auto info = link ? describe(link->get(), "") : std::nullopt;
      if (!info)
        return error{errc::busy, "'" + path + "' changes while it is copied"};
      made.contents_[path].target = info->target;
    }
  }
  return made;
}

status tree_backup::copy_file(const workspace& of, const std::string& path, std::uint64_t most) {
  auto file = of.open_at(path, O_RDONLY | O_NONBLOCK);
  if (!file)
    return std::move(file).why();
  auto& into = contents_[path];
  const auto size = static_cast<off_t>(marks_.marks.at(path).size);
  for (off_t at = 0; at < size;) {
    at = ::lseek(file->get(), at, SEEK_DATA);
    if (at < 0 || at >= size)
      break;
    auto end = std::min(::lseek(file->get(), at, SEEK_HOLE), size);
    if (end <= at)
      break;
    auto length = static_cast<std::uint64_t>(end - at);
    if (bytes_ + length > most)
      return error{errc::limit_exceeded, "what transactions copy before they begin would be over "
                                             + std::to_string(most)
                                             + " bytes (limits.transaction_bytes)"};
    auto copied =
        copy_bytes(file->get(), static_cast<std::uint64_t>(at), copy_.get(), bytes_, length);
    if (!copied)
      return std::move(copied).why();
    into.extents.push_back({static_cast<std::uint64_t>(at), bytes_, *copied});
    bytes_ += *copied;
    at = end;
  }
  return done{};
}

bool tree_backup::same(const unique_fd& file, const file_mark& mark, const content& what) const {
  std::string is(chunk, '\0');
  std::string was(chunk, '\0');
  auto next = what.extents.begin();
  for (std::uint64_t at = 0; at < mark.size; at += chunk) {
    auto n = static_cast<std::size_t>(std::min<std::uint64_t>(chunk, mark.size - at));
    if (::pread(file.get(), is.data(), n, static_cast<off_t>(at)) != static_cast<ssize_t>(n))
      return false;
    std::memset(was.data(), 0, n);
    while (next != what.extents.end() && next->at + next->length <= at)
      ++next;
    for (auto e = next; e != what.extents.end() && e->at < at + n; ++e) {
      auto from = std::max(e->at, at);
      auto to = std::min(e->at + e->length, at + n);
      if (::pread(copy_.get(), was.data() + (from - at), to - from,
                  static_cast<off_t>(e->where + (from - e->at)))
          != static_cast<ssize_t>(to - from))
        return false;
    }
    if (std::memcmp(is.data(), was.data(), n) != 0)
      return false;
  }
  return true;
}

void tree_backup::remove_new(const workspace& of, const tree_snapshot& now, status& outcome) const {
  std::string gone;
  for (const auto& [path, mark] : now.marks) {
    auto old = marks_.marks.find(path);
    bool below = !gone.empty() && path.starts_with(gone) && path[gone.size()] == '/';
    if (below || (old != marks_.marks.end() && old->second.type == mark.type))
      continue;
    auto removing = removal::begin(of, path, true);
    while (removing && !removing->over())
      if (auto more = removing->next(of); !more) {
        note(outcome, std::move(more).why());
        break;
      }
    if (!removing && removing.why().code != errc::not_found)
      note(outcome, removing.why());
    gone = path;
  }
}

// The file is there, is the same one and has the same content: only its mode and times are set.
// Else it is written in place, or where that cannot be done anew.
status tree_backup::put_back(const workspace& of, const std::string& path, const file_mark& mark,
                             const content& what) const {
  auto place = place_of(of, path);
  if (!place)
    return std::move(place).why();
  const auto* name = place->name.c_str();
  constexpr int flags = O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  unique_fd file{::openat(place->folder.get(), name, O_RDWR | flags)};
  if (!file) {
    (void)::unlinkat(place->folder.get(), name, 0);
    file.reset(::openat(place->folder.get(), name, O_RDWR | O_CREAT | O_EXCL | flags, 0600));
    if (!file)
      return file_error(of, path, errno);
  }
  if (::ftruncate(file.get(), 0) != 0
      || ::ftruncate(file.get(), static_cast<off_t>(mark.size)) != 0)
    return file_error(of, path, errno);
  for (const auto& e : what.extents) {
    auto copied = copy_bytes(copy_.get(), e.where, file.get(), e.at, e.length);
    if (!copied)
      return file_error(of, path, ENOSPC);
  }
  return done{};
}

// Where a directory was closed, even to its owner, nothing could be found, removed or put back.
void tree_backup::open_up(const workspace& of) const {
  as_owner rights{of};
  for (const auto& [path, mark] : marks_.marks) {
    if (mark.type != file_type::directory)
      continue;
    auto place = place_of(of, path);
    unique_fd folder{place ? open_own(place->folder.get(), place->name) : -1};
    if (folder)
      (void)::fchmod(folder.get(), mark.mode | 0700);
  }
}

status tree_backup::restore(const workspace& of) const {
  status outcome = done{};
  open_up(of);
  auto now = take_snapshot(of);
  if (!now)
    return std::move(now).why();
  remove_new(of, *now, outcome);
  as_owner rights{of};
  // Directories first, open to their owner; their modes come last.
  for (const auto& [path, mark] : marks_.marks) {
    if (mark.type != file_type::directory)
      continue;
    if (auto folder = of.open_folder(path, true); !folder)
      note(outcome, std::move(folder).why());
    else
      (void)::fchmod(folder->get(), mark.mode | 0700);
  }
  // Who gave room first, then who takes it.
  std::vector<std::string> changed;
  for (const auto& [path, mark] : marks_.marks) {
    if (mark.type != file_type::file)
      continue;
    auto file = of.open_at(path, O_RDONLY | O_NONBLOCK);
    struct stat what {};
    bool kept = file && ::fstat(file->get(), &what) == 0 && S_ISREG(what.st_mode)
                && what.st_ino == mark.inode
                && static_cast<std::uint64_t>(what.st_size) == mark.size
                && same(*file, mark, contents_.at(path));
    if (kept)
      continue;
    changed.push_back(path);
    unique_fd room;
    if (auto place = place_of(of, path)) {
      room.reset(::openat(place->folder.get(), place->name.c_str(),
                          O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
      if (room)
        (void)::ftruncate(room.get(), 0);
      else
        (void)::unlinkat(place->folder.get(), place->name.c_str(), 0);
    }
  }
  for (const auto& path : changed)
    if (auto ok = put_back(of, path, marks_.marks.at(path), contents_.at(path)); !ok)
      note(outcome, std::move(ok).why());
  for (const auto& [path, what] : contents_) {
    if (marks_.marks.at(path).type != file_type::link)
      continue;
    auto place = place_of(of, path);
    if (!place) {
      note(outcome, std::move(place).why());
      continue;
    }
    auto there = describe(place->folder.get(), place->name.c_str());
    if (there && there->target == what.target)
      continue;
    (void)::unlinkat(place->folder.get(), place->name.c_str(), 0);
    if (::symlinkat(what.target.c_str(), place->folder.get(), place->name.c_str()) != 0)
      note(outcome, file_error(of, path, errno));
  }
  // What is in a directory before the directory itself: its own times would change again.
  for (auto at = marks_.marks.rbegin(); at != marks_.marks.rend(); ++at) {
    const auto& [path, mark] = *at;
    if (mark.type != file_type::file && mark.type != file_type::directory)
      continue;
    auto one = of.open_at(path, O_RDONLY | O_NONBLOCK);
    if (!one)
      continue;
    const timespec times[2] = {{0, UTIME_OMIT}, time_of(mark.modified_ns)};
    struct stat what {};
    if (::fstat(one->get(), &what) != 0)
      continue;
    if ((what.st_mode & 07777) != mark.mode)
      (void)::fchmod(one->get(), mark.mode);
    if (nanoseconds_of(what.st_mtim) != mark.modified_ns)
      (void)::futimens(one->get(), times);
  }
  return outcome;
}

} // namespace vivarium::sandbox
