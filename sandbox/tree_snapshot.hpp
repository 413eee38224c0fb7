// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sandbox/workspace_files.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

// What a workspace was like at one moment, so that it can be told what has changed since, or be
// undone. Seen from outside: the session's code can neither hide a change nor make one up. Blocks.
namespace vivarium::sandbox {

/// What tells whether a file is still the same, without reading it.
struct file_mark {
  file_type type = file_type::file;
  std::uint32_t mode = 0;
  std::uint64_t size = 0;
  std::uint64_t inode = 0;
  std::int64_t modified_ns = 0;
  std::int64_t changed_ns = 0; ///< No call sets this one.

  bool operator==(const file_mark&) const = default;
};

struct tree_snapshot {
  std::map<std::string, file_mark> marks; ///< By path.
  bool complete = true;                   ///< Nothing was too deep, too much, or closed.
  std::string missing;                    ///< The first that could not be looked into.
};

/// Looks at everything. Returns only when the kernel's clock has moved on, some milliseconds, so
/// that whatever is changed from now on shows; what is written through a mapping of a file does not
/// move its times and does not show.
[[nodiscard]] result<tree_snapshot> take_snapshot(const workspace& of);

struct tree_changes {
  std::vector<std::string> added;
  std::vector<std::string> modified;
  std::vector<std::string> deleted;
  bool truncated = false;
};
/// Tells what is different, at most so many paths. Of directories only their mode counts.
[[nodiscard]] tree_changes compare(const tree_snapshot& before, const tree_snapshot& after,
                                   std::size_t most);

/// A copy of a workspace, in memory of the daemon's. Holes in files are not copied and take
/// nothing.
class tree_backup {
public:
  /// Copies everything; refuses with `limit_exceeded` what holds more than `most` bytes, and with
  /// `failed_precondition` what cannot be read.
  static result<tree_backup> take(const workspace& of, std::uint64_t most);

  [[nodiscard]] const tree_snapshot& marks() const noexcept { return marks_; }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }

  /// Makes everything what it was: content, modes and times; compares content, so that nothing is
  /// missed. A file that is still there is written in place. Says what could not be done.
  [[nodiscard]] status restore(const workspace& of) const;

private:
  struct extent {
    std::uint64_t at;    // in the file
    std::uint64_t where; // in the copy
    std::uint64_t length;
  };
  struct content {
    std::vector<extent> extents;
    std::string target; // of a link
  };

  status copy_file(const workspace& of, const std::string& path, std::uint64_t most);
  void open_up(const workspace& of) const;
  status put_back(const workspace& of, const std::string& path, const file_mark& mark,
                  const content& what) const;
  [[nodiscard]] bool same(const unique_fd& file, const file_mark& mark, const content& what) const;
  void remove_new(const workspace& of, const tree_snapshot& now, status& outcome) const;

  tree_snapshot marks_;
  std::map<std::string, content> contents_;
  unique_fd copy_;
  std::uint64_t bytes_ = 0;
};

} // namespace vivarium::sandbox
