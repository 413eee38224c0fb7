// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sandbox/tree_copy.hpp"
#include "sandbox/workspace.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

// Volumes on the daemon's disk:
//
//   <state>/volumes/<tenant>/<volume>/about         what is known of it, replaced by a rename
//   <state>/volumes/<tenant>/<volume>/tree.<n>/     what is in it; `about` says which n counts
//
// A commit writes a tree of its own and then says in `about` that it is this one: whoever dies on
// the way leaves the old content, and rubbish that the next commit removes. All of it belongs to
// the daemon, with nothing for others; names were checked, so that they are names of directories.
namespace vivarium::sandbox {

/// What is known of a volume.
struct volume_facts {
  std::uint64_t max_bytes = 0;
  std::uint64_t version = 0;
  tree_size size;
};

/// The volumes of a daemon. One thread for each volume at a time; the caller sees to that. Blocks.
class volume_dir {
public:
  /// Opens the directory, makes it when it is not there. Two daemons would write over each other:
  /// the state is the caller's alone.
  static result<volume_dir> open(const std::string& state);

  [[nodiscard]] std::vector<std::string> names(const std::string& tenant) const;
  [[nodiscard]] result<volume_facts> read(const std::string& tenant,
                                          const std::string& volume) const;
  [[nodiscard]] result<volume_facts> create(const std::string& tenant, const std::string& volume,
                                            std::uint64_t max_bytes) const;
  [[nodiscard]] status remove(const std::string& tenant, const std::string& volume) const;
  /// Copies its content into a directory of a workspace, which is made.
  [[nodiscard]] result<volume_facts> attach(const std::string& tenant, const std::string& volume,
                                            const workspace& to, const std::string& path) const;
  /// Makes a directory of a workspace its content, if it still has the version `expected`, where
  /// one is, and fits into `most`.
  [[nodiscard]] result<volume_facts> commit(const std::string& tenant, const std::string& volume,
                                            const workspace& from, const std::string& path,
                                            std::optional<std::uint64_t> expected,
                                            std::uint64_t most) const;

private:
  volume_dir() = default;
  [[nodiscard]] result<unique_fd> folder_of(const std::string& tenant,
                                            const std::string& volume) const;

  unique_fd top_;
};

/// Copies a directory of the daemon's own into one of a workspace, which is made.
[[nodiscard]] result<tree_size> copy_in(int from, const workspace& to, const std::string& path,
                                        const tree_size& most);
/// And back.
[[nodiscard]] result<tree_size> copy_out(const workspace& from, const std::string& path, int to,
                                         const tree_size& most);
/// Removes a directory of the daemon's own and all that is in it.
[[nodiscard]] status remove_tree(int folder, const std::string& name);

inline constexpr std::uint64_t most_volume_files = 100'000;

} // namespace vivarium::sandbox
