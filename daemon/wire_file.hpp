// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/session_files.hpp"
#include "actors/volume_info.hpp"
#include "daemon/wire.hpp"

#include <protozero/pbf_reader.hpp>

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Messages about files and volumes. Paths are passed on as they came.
namespace vivarium::wire {

inline constexpr std::size_t most_given_files = 1'000;
inline constexpr std::size_t most_mounts = 16;
inline constexpr std::uint32_t most_page = 10'000;

/// What any request about a file may say; each uses what it has.
struct file_request {
  std::string session;
  std::string path; ///< Also `from`.
  std::string to;
  std::string content;
  std::string sha256; ///< Empty, or 32 bytes.
  std::uint32_t mode = 0;
  bool exclusive = false;
  bool recursive = false;
  bool replace = false;
  std::uint32_t page_size = 0;
  std::string page_token;
  std::uint64_t offset = 0;
  std::uint64_t length = std::numeric_limits<std::uint64_t>::max();
  bool checksum = true;
  std::string upload;
  bool commit = false;
  bool discard = false;
};
/// Decodes any of the requests of FileService.
[[nodiscard]] result<file_request> decode_file(message type, codec as, std::string_view bytes);

/// What any request about a volume may say.
struct volume_request {
  std::string session;
  std::string volume;
  std::uint64_t max_bytes = 0;
  bool force = false;
};
[[nodiscard]] result<volume_request> decode_volume(message type, codec as, std::string_view bytes);

/// Reads an entry of a map from path to content.
[[nodiscard]] status take_file(std::vector<std::pair<std::string, std::string>>& into,
                               protozero::pbf_reader& reader);
[[nodiscard]] status take_mount(std::vector<volume_mount>& into, protozero::pbf_reader& reader);
/// Appends a VolumeMount.
void append_mount(std::string& out, std::uint32_t field, const volume_mount& what);

/// The answer of StatFile, MakeDirectory or MoveFile.
[[nodiscard]] result<std::string> encode_file_info(message type, codec as,
                                                   const sandbox::file_info& what);
[[nodiscard]] result<std::string> encode_whole_file(codec as, const whole_file& what);
[[nodiscard]] result<std::string> encode_put(codec as, const put_outcome& what);
[[nodiscard]] result<std::string> encode_file_list(codec as, const sandbox::file_list& what);
[[nodiscard]] result<std::string> encode_removed(codec as, std::uint64_t count);
/// A message of ReadFile: the first one has the file, the last one checksum and size.
[[nodiscard]] result<std::string> encode_file_begin(codec as, const sandbox::file_info& what);
[[nodiscard]] result<std::string> encode_file_piece(codec as, std::string_view bytes);
[[nodiscard]] result<std::string> encode_file_end(codec as, std::string_view sha256,
                                                  std::uint64_t size);
/// The answer of WriteFile: under way, or put.
[[nodiscard]] result<std::string> encode_upload(codec as, std::string_view upload,
                                                std::uint64_t size);
[[nodiscard]] result<std::string> encode_upload_end(codec as, const put_outcome& what);
/// The answer of CreateVolume or CommitVolume.
[[nodiscard]] result<std::string> encode_volume(message type, codec as, const volume_info& what);
[[nodiscard]] result<std::string> encode_volumes(codec as, const std::vector<volume_info>& all);

/// An encoded FileChanges.
[[nodiscard]] std::string encode_changes(const file_report& what);

} // namespace vivarium::wire
