// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sandbox/workspace.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

// What is done with the files of a workspace. All paths have been checked by `workspace_path`.
// Every function blocks for as long as the file system takes, and takes on the owner's rights
// meanwhile.
namespace vivarium::sandbox {

/// Numbers equal vivarium.v1.FileType.
enum class file_type : std::uint8_t { file = 1, directory = 2, link = 3, other = 4 };

struct file_info {
  std::string path; ///< As bytes: a name need not be UTF-8.
  file_type type = file_type::file;
  std::uint64_t size = 0;
  std::uint32_t mode = 0; ///< Permission bits.
  std::int64_t modified_ns = 0;
  std::string target; ///< Of a link.
};

[[nodiscard]] result<file_info> stat_file(const workspace& of, const std::string& path);

/// A file that was opened: what is at its path may change, this is what it is.
struct opened_file {
  unique_fd fd;
  file_info info;
};
/// Opens a regular file for reading; a FIFO is opened too, without waiting for anybody, seen and
/// let go.
[[nodiscard]] result<opened_file> open_file(const workspace& of, const std::string& path);

/// Opens a file that has no name yet, so that neither the session's code nor a failure leaves
/// anything of it; `publish` gives it one.
[[nodiscard]] result<unique_fd> open_unnamed(const workspace& of);

struct publish_options {
  std::uint32_t mode = 0; ///< 0: that of the file it replaces, or rw-r--r--.
  bool exclusive = false; ///< Fail where there is something already.
};
/// Puts an unnamed file at a path, at once, and makes directories on the way. Never replaces a
/// directory.
[[nodiscard]] result<file_info> publish(const workspace& of, const unique_fd& file,
                                        const std::string& path, const publish_options& how);

/// Appends all of it; `at` is where it ends so far.
[[nodiscard]] status write_all(const workspace& of, const unique_fd& file, std::string_view bytes,
                               std::uint64_t at);
/// Reads at most so much; fewer bytes at the end of the file only.
[[nodiscard]] result<std::string> read_some(const unique_fd& file, std::uint64_t at,
                                            std::size_t most);

/// What is there already is no error when it is a directory.
[[nodiscard]] result<file_info> make_directory(const workspace& of, const std::string& path);
[[nodiscard]] result<file_info> move_file(const workspace& of, const std::string& from,
                                          const std::string& to, bool replace);

} // namespace vivarium::sandbox
