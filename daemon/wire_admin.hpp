// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/admin_types.hpp"
#include "daemon/environment_types.hpp"
#include "daemon/reload.hpp"
#include "daemon/wire.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// AdminService at the border.
namespace vivarium::wire {

/// Entries of a page: what may be asked for, and what it is where nothing is.
inline constexpr std::uint32_t most_page_entries = 1'000;
inline constexpr std::uint32_t usual_page_entries = 100;

/// The requests of all lists.
[[nodiscard]] result<overview_part> decode_overview(message type, codec as, std::string_view bytes);
[[nodiscard]] result<stop_request> decode_stop(message type, codec as, std::string_view bytes);
[[nodiscard]] result<recycle_request> decode_recycle(codec as, std::string_view bytes);
[[nodiscard]] result<log_level> decode_log_level(codec as, std::string_view bytes);

[[nodiscard]] result<std::string> encode_status(codec as, const daemon_status& what);
/// With what the executions of each came to, in the same order.
[[nodiscard]] result<std::string> encode_tenants(codec as,
                                                 const overview_page<tenant_overview>& page,
                                                 const std::vector<tenant_use>& uses);
[[nodiscard]] result<std::string> encode_all_sessions(codec as,
                                                      const overview_page<session_overview>& page);
[[nodiscard]] result<std::string>
encode_all_executions(codec as, const overview_page<execution_overview>& page);
[[nodiscard]] result<std::string>
encode_worker_pools(codec as, const overview_page<worker_pool_overview>& page);
[[nodiscard]] result<std::string>
encode_all_pools(codec as, const overview_page<session_pool_overview>& page);
[[nodiscard]] result<std::string>
encode_all_environments(codec as,
                        const overview_page<std::pair<std::string, environment_info>>& page);
[[nodiscard]] result<std::string> encode_drained(codec as, const daemon_figures& left);
[[nodiscard]] result<std::string> encode_stopped(codec as, const stop_outcome& what);
[[nodiscard]] result<std::string> encode_ended(codec as, const std::string& tenant);
[[nodiscard]] result<std::string> encode_recycled(codec as, const recycle_outcome& what);
[[nodiscard]] result<std::string> encode_log_level(codec as, log_level before);

[[nodiscard]] result<std::string> encode_reloaded(codec as, const reload_report& what);

} // namespace vivarium::wire
