// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "clients/cli/table.hpp"

#include <vivarium/admin.hpp>

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace vivarium::cli {

/// What `vivarium admin` was asked for.
struct admin_order {
  std::string server;
  std::string what;    ///< The word after `admin`.
  std::string subject; ///< Id, name or level.
  std::string tenant;
  bool ended = false; ///< Executions that have ended as well.
  bool json = false;
};

/// Carries it out, and shows what came of it. The status says whether there was something to stop.
int admin_command(const admin_order& how);

/// What `vivarium top` was asked for.
struct top_order {
  std::string server;
  std::chrono::milliseconds interval{2'000};
  bool once = false;
};

/// Shows tenants, sessions and executions, again and again until `q`; once where stdout is no
/// terminal.
int top_command(const top_order& how);

/// Reads page after page with `read(page_options)`, so many entries at most.
template <class Read>
auto all_pages(Read read, std::size_t most) {
  constexpr std::uint32_t page_size = 1'000;
  auto got = read(page_options{page_size, {}});
  auto out = std::move(got.entries);
  while (!got.next.empty() && out.size() < most) {
    got = read(page_options{page_size, got.next});
    out.insert(out.end(), std::make_move_iterator(got.entries.begin()),
               std::make_move_iterator(got.entries.end()));
  }
  return out;
}

[[nodiscard]] const char* name_of(session_state state) noexcept;
[[nodiscard]] const char* name_of(session_use use) noexcept;
[[nodiscard]] const char* name_of(execution_info::progress state) noexcept;
[[nodiscard]] const char* name_of(daemon_log_level level) noexcept;
[[nodiscard]] table::seconds age_of(std::chrono::system_clock::time_point since);
[[nodiscard]] table::seconds seconds_of(std::chrono::microseconds what) noexcept;

} // namespace vivarium::cli
