// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/apps.hpp"
#include "daemon/wire.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Messages of AppService.
namespace vivarium::wire {

/// A request to an application, as a client of the API has it.
struct app_question {
  std::string method = "GET";
  std::string path = "/"; ///< Without the query.
  std::string query;
  std::vector<std::pair<std::string, std::string>> headers; ///< Names in lower case; Latin-1.
  std::string body;
};

struct handle_request {
  std::string app;
  app_question what;
};

/// A response that was gathered.
struct app_reply {
  std::uint32_t status = 500;
  std::vector<std::pair<std::string, std::string>> headers; ///< Latin-1.
  std::string body;
};

inline constexpr std::size_t most_app_question_headers = 200;
inline constexpr std::size_t most_app_path = 64u << 10;

[[nodiscard]] result<app_plan> decode_boot_app(codec as, std::string_view bytes);
/// GetApp, CloseApp: id or name.
[[nodiscard]] result<std::string> decode_app_name(message type, codec as, std::string_view bytes);
/// Handle, HandleStream.
[[nodiscard]] result<handle_request> decode_handle(message type, codec as, std::string_view bytes);
/// Invoke: the operands hold the request.
[[nodiscard]] result<submission> decode_invoke(codec as, std::string_view bytes);

/// BootApp, GetApp.
[[nodiscard]] result<std::string> encode_app(message type, codec as, const app_info& what);
[[nodiscard]] result<std::string> encode_apps(codec as, const std::vector<app_info>& all);
/// Handle, Invoke. Without an execution that has ended there is no verdict.
[[nodiscard]] result<std::string> encode_handled(message type, codec as, const app_reply& what,
                                                 std::string_view execution_id,
                                                 const execution* ended);
/// HandleStream: the first part, a chunk, the last part. Null: nothing to tell.
[[nodiscard]] result<std::string> encode_app_head(codec as, const app_reply& head,
                                                  std::string_view id);
[[nodiscard]] result<std::string> encode_app_chunk(codec as, std::string_view bytes);
[[nodiscard]] result<std::string> encode_app_end(codec as, const execution& source);

/// What a caller gets whose application has raised: as uvicorn says it.
[[nodiscard]] app_reply failed_reply();

} // namespace vivarium::wire
