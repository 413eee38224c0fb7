// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/config_values.hpp"

#include <span>
#include <string>
#include <string_view>

namespace vivarium {

/// What there is to say of a key of the configuration beside what its reader checks (type, bounds,
/// default): the rows of the reference and what a reload goes by. A key without a row fails
/// `config_reference`, and with it a test.
struct config_key {
  /// Where it stands; NAME for what a person names, a last `*` for all that the table holds.
  std::string_view path;
  config_effect effect;
  std::string_view usual; ///< The default, where the reader's own says nothing to a person.
  std::string_view about; ///< A sentence, in Markdown.
  bool secret = false;    ///< Its value is never shown.
};

/// All rows, in the order of the reference.
[[nodiscard]] std::span<const config_key> all_config_keys() noexcept;
/// Returns the row of a key, else that of its table; null when there is neither.
[[nodiscard]] const config_key* find_config_key(std::string_view pattern);

/// The reference as JSON: each key with type, default, bounds, effect and sentence.
struct config_reference {
  std::string json;
  std::string trouble; ///< Keys without a row, rows without a key; empty when there are none.
};
[[nodiscard]] config_reference make_config_reference();

} // namespace vivarium
