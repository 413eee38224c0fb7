// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace vivarium {

/// A volume as it stands.
struct volume_info {
  std::string name;
  std::uint64_t bytes = 0;
  std::uint64_t files = 0;
  std::uint64_t max_bytes = 0;
  std::uint64_t version = 0;
  std::string source; ///< Where it is kept, when not here: "s3".
};

/// What a session asks of a volume; once it has a copy, also which version that was.
struct volume_mount {
  std::string volume;
  std::string path; ///< In the workspace; empty: the volume's name.
  bool write = false;
  std::uint64_t version = 0;
};

} // namespace vivarium
