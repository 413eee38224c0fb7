// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace vivarium {

/// When a changed key takes effect.
enum class config_effect : std::uint8_t {
  now,          ///< With the reload.
  new_sessions, ///< With the reload, for sessions that are made after it.
  restart,      ///< When the daemon is started again.
};
[[nodiscard]] std::string_view name_of(config_effect when) noexcept;

/// What a file says of one key, as it was understood: another way to write the same is the same.
struct config_value {
  std::string pattern; ///< Its row, see config_keys.hpp.
  std::string type;
  std::string bounds;
  std::string shown;      ///< As TOML would say it; what is secret is hidden, what is long is cut.
  std::string usual;      ///< What holds when the key is not there.
  std::size_t digest = 0; ///< Of the whole of it, and of the file that it names.
  std::size_t line = 0;   ///< 0: it is not in the file.
};

/// By path, e.g. "tenants.shop.sessions".
using config_values = std::map<std::string, config_value, std::less<>>;

} // namespace vivarium
