// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sandbox/workspace_files.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace vivarium::sandbox {

/// Directories below each other that are walked through; code can make deeper ones, which cost a
/// descriptor each.
inline constexpr std::size_t most_walk_depth = 100;
/// Entries of one directory, and of one walk.
inline constexpr std::size_t most_walk_entries = 1'000'000;

/// What the kernel tells of an open descriptor, or of a name in an open directory; nothing, with
/// errno set, when it does not. The path is left empty.
[[nodiscard]] std::optional<file_info> describe(int folder, const char* name);

/// The names in an open directory, sorted; "." and ".." are left out. At most so many.
[[nodiscard]] std::vector<std::string> names_in(int folder, std::size_t most);

/// Opens a directory of the owner's in an open one, and where the owner has closed it to itself
/// opens it to the owner first. Follows no link. -1, with errno set, when it cannot be done.
[[nodiscard]] int open_own(int folder, const std::string& name);

struct list_options {
  bool recursive = false;
  std::size_t most = 1'000; ///< Entries of the page.
  std::string after;        ///< The last path of the page before; empty for the first page.
};
struct file_list {
  std::vector<file_info> entries; ///< By path, a directory before what is in it.
  bool more = false;
  std::uint64_t unread = 0; ///< Directories that could not be looked into.
};
/// Lists a directory. What changes meanwhile is there or is not; nothing is twice.
[[nodiscard]] result<file_list> list_files(const workspace& of, const std::string& path,
                                           const list_options& how);

/// A removal, some of it at a time, so that a large tree does not hold up others. What the owner
/// cannot look into is opened to the owner first; what is deep is flattened, so that no depth costs
/// more than two descriptors; who adds files as fast as they are removed gets an error.
class removal {
public:
  /// Removes a file or an empty directory at once, else `next` has to be called.
  static result<removal> begin(const workspace& of, const std::string& path, bool recursive);

  /// Removes some more. Returns whether that was all.
  [[nodiscard]] result<bool> next(const workspace& of);
  [[nodiscard]] std::uint64_t removed() const noexcept { return removed_; }
  [[nodiscard]] bool over() const noexcept { return over_; }

private:
  [[nodiscard]] result<bool> empty_some(const workspace& of, std::size_t most);

  unique_fd above_; // the directory that it is in; none for the workspace itself
  std::string name_;
  unique_fd top_;
  std::uint64_t removed_ = 0;
  std::uint64_t tries_ = 0;
  std::uint64_t moved_ = 0;
  bool over_ = false;
};

} // namespace vivarium::sandbox
