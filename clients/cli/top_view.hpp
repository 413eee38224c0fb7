// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "clients/cli/admin.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vivarium::cli {

/// All that was there at one moment.
struct top_snapshot {
  std::chrono::steady_clock::time_point at;
  daemon_status status;
  std::vector<tenant_overview> tenants;
  std::vector<session_overview> sessions;
  std::vector<execution_overview> executions;
};

enum class top_table : std::uint8_t { tenants, sessions, executions };

/// What is shown of it, as the keys have chosen.
struct top_choice {
  top_table what = top_table::tenants;
  std::size_t column[3] = {6, 8, 3}; ///< That each table is sorted by.
  bool descending[3] = {true, true, true};

  /// Takes a key; false for the one that ends it.
  bool take(char key);
};

/// Returns one of the tables, its rates since the snapshot before; those are unknown without one.
[[nodiscard]] table table_of(top_table what, const top_snapshot& now, const top_snapshot* before);

/// Returns the lines above the tables.
[[nodiscard]] std::vector<std::string> heading_of(const top_snapshot& now,
                                                  const top_snapshot* before);

/// Returns a screen of so many lines and places.
[[nodiscard]] std::vector<std::string> screen_of(const top_snapshot& now,
                                                 const top_snapshot* before,
                                                 const top_choice& choice, std::size_t height,
                                                 std::size_t width);

} // namespace vivarium::cli
