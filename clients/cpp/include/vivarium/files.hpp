// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vivarium/session.hpp>
#include <vivarium/stream.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace vivarium {
inline namespace client_v1 {

/// Numbers equal vivarium.v1.FileType.
enum class file_type : std::uint8_t { unset = 0, file, directory, link, other };

/// A file, directory or link as it stands.
struct file_info {
  std::string path; ///< Relative to the workspace.
  file_type type = file_type::unset;
  std::uint64_t size = 0;
  std::uint32_t mode = 0; ///< Permission bits.
  std::chrono::system_clock::time_point modified{};
  std::string target; ///< Of a link.
};

/// How a file is put.
struct put_options {
  std::uint32_t mode = 0; ///< 0: that of the file it replaces, or rw-r--r--.
  bool exclusive = false; ///< Fail when there is something already.
};

/// A piece of a file that is read.
struct file_piece {
  std::string data;
  std::string sha256;     ///< Of all of it, in the last piece, which has no data.
  std::uint64_t size = 0; ///< Of all of it, in the last piece.
};
using file_stream = basic_stream<file_piece>;

/// The files of a session, see docs/files.md. Paths are relative to its workspace, or below
/// "/workspace". Cheap to copy; may outlive the handle it came from.
class session_files {
public:
  session_files(std::shared_ptr<detail::core> on, std::string session);

  /// Reads a whole file of any size; what arrives is checked against the daemon's checksum.
  [[nodiscard]] std::string get(std::string_view path) const;
  /// The same, given piece by piece to `take`. Returns the size.
  std::uint64_t get(std::string_view path, const std::function<void(std::string_view)>& take) const;
  /// Writes a whole file of any size: it is there with all of this content, or as it was before.
  file_info put(std::string_view path, std::string_view content, const put_options& how = {}) const;
  /// The same, piece by piece from `next`, until that returns an empty one.
  file_info put(std::string_view path, const std::function<std::string()>& next,
                const put_options& how = {}) const;

  [[nodiscard]] file_info stat(std::string_view path) const { return prepare_stat(path).get(); }
  /// All entries of a directory, by path; with `recursive` also those in the directories in it.
  [[nodiscard]] std::vector<file_info> list(std::string_view path = {},
                                            bool recursive = false) const;
  file_info make_directory(std::string_view path) const { return prepare_directory(path).get(); }
  file_info move(std::string_view from, std::string_view to, bool replace = false) const {
    return prepare_move(from, to, replace).get();
  }
  /// Returns how many files and directories that were.
  std::uint64_t remove(std::string_view path, bool recursive = false) const {
    return prepare_remove(path, recursive).get();
  }

  [[nodiscard]] request<file_info> prepare_stat(std::string_view path) const;
  [[nodiscard]] request<file_info> prepare_directory(std::string_view path) const;
  [[nodiscard]] request<file_info> prepare_move(std::string_view from, std::string_view to,
                                                bool replace = false) const;
  [[nodiscard]] request<std::uint64_t> prepare_remove(std::string_view path,
                                                      bool recursive = false) const;
  /// A file of at most 32 MiB, in one message each.
  [[nodiscard]] request<std::string> prepare_get(std::string_view path) const;
  [[nodiscard]] request<file_info> prepare_put(std::string_view path, std::string_view content,
                                               const put_options& how = {}) const;
  /// Pieces of a file, and the checksum at the end, which the reader compares.
  [[nodiscard]] file_stream stream(std::string_view path, std::uint64_t offset = 0) const;

private:
  std::shared_ptr<detail::core> core_;
  std::string session_;
};

} // namespace client_v1
} // namespace vivarium
