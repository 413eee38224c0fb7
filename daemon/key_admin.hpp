// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/key_file.hpp"
#include "proto/result.hpp"

#include <chrono>
#include <optional>
#include <string>

// What `vivarium keys` does: it edits the file and needs no daemon. Each change takes a lock beside
// the file, reads, writes a new file and renames it into place, so that readers see all of a change
// or nothing, and two operators cannot undo each other's.

namespace vivarium {

/// A key that was made, and the only time that its secret is shown.
struct new_key {
  api_key key;
  std::string shown;
};

/// Makes a key and a file for it, if there is none. The file belongs to whom its directory belongs
/// to, with mode 0600.
[[nodiscard]] result<new_key> create_key(const std::string& path, const std::string& tenant,
                                         role what, std::optional<std::chrono::seconds> lasts);
/// Gives a key another secret. The present one counts for `grace` more.
[[nodiscard]] result<new_key> rotate_key(const std::string& path, const std::string& id,
                                         std::chrono::seconds grace);
/// Ends a key.
[[nodiscard]] status revoke_key(const std::string& path, const std::string& id);
/// Returns the keys of the file.
[[nodiscard]] result<key_file> list_keys(const std::string& path);

/// Where the keys are when nobody says: in the state directory of the user.
[[nodiscard]] result<std::string> default_key_path();

} // namespace vivarium
