// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/execution.hpp"
#include "actors/service.hpp"
#include "proto/result.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// The border between messages of vivarium.v1 and the vocabulary. Requests are decoded and checked
/// (UTF-8, enums, sizes) on the way in, answers are encoded on the way out, in binary or JSON. What
/// every evaluation needs is coded by hand and tested against libprotobuf; all other JSON is
/// transcoded by libprotobuf, which is used nowhere else.
namespace vivarium::wire {

enum class codec : std::uint8_t { proto, json };

/// Numbers equal vivarium.v1.ResultFormat.
enum class result_format : std::uint8_t { unspecified, typed, json, repr, none };

/// Messages that can be transcoded.
enum class message : std::uint8_t {
  eval_request,
  eval_response,
  start_request,
  start_response,
  follow_request,
  follow_response,
  wait_request,
  wait_response,
  cancel_request,
  cancel_response,
  list_request,
  list_response,
  compile_request,
  compile_response,
  create_session_request,
  create_session_response,
  get_session_request,
  get_session_response,
  list_sessions_request,
  list_sessions_response,
  close_session_request,
  close_session_response,
  client_frame,
};

/// Translates JSON to the binary encoding. An unknown field is an error that names it.
[[nodiscard]] result<std::string> to_binary(message type, std::string_view json);
/// Translates the binary encoding to JSON.
[[nodiscard]] result<std::string> to_json(message type, std::string_view binary);

// Requests.

struct follow_request {
  std::string execution;
  std::uint64_t from = 1;
};
struct wait_request {
  std::string execution;
  std::chrono::milliseconds timeout{0};
};

[[nodiscard]] result<submission> decode_eval(codec as, std::string_view bytes);
[[nodiscard]] result<submission> decode_start(codec as, std::string_view bytes);
[[nodiscard]] result<submission> decode_compile(codec as, std::string_view bytes);
[[nodiscard]] result<follow_request> decode_follow(codec as, std::string_view bytes);
[[nodiscard]] result<wait_request> decode_wait(codec as, std::string_view bytes);
/// Cancel: the execution's id.
[[nodiscard]] result<std::string> decode_cancel(codec as, std::string_view bytes);
/// List: the session; may be empty.
[[nodiscard]] result<std::string> decode_list(codec as, std::string_view bytes);
[[nodiscard]] result<session_request> decode_create_session(codec as, std::string_view bytes);
/// GetSession and CloseSession: the session.
[[nodiscard]] result<std::string> decode_session(message type, codec as, std::string_view bytes);
/// A request without fields.
[[nodiscard]] status decode_empty(message type, codec as, std::string_view bytes);

// Answers. The execution has ended where a verdict is part of the answer.

[[nodiscard]] result<std::string> encode_eval(codec as, const execution& source);
[[nodiscard]] result<std::string> encode_start(codec as, const execution& source);
/// An event of `source`, which follows `lost` events that the log no longer holds.
[[nodiscard]] result<std::string> encode_follow(codec as, const execution& source,
                                                const event& what, std::uint64_t lost);
[[nodiscard]] result<std::string> encode_wait(codec as, const execution& source);
[[nodiscard]] result<std::string> encode_cancel(codec as, bool cancelled);
[[nodiscard]] result<std::string> encode_list(codec as, const std::vector<execution_info>& all);
[[nodiscard]] result<std::string> encode_compile(codec as, const compiled& what);
/// The answer of CreateSession or GetSession.
[[nodiscard]] result<std::string> encode_session(message type, codec as, const session_info& what);
[[nodiscard]] result<std::string> encode_sessions(codec as, const std::vector<session_info>& all);

// Errors.

/// How the protocols show an error.
struct failure_face {
  std::string_view code; ///< Connect's, e.g. "not_found".
  int status;            ///< HTTP's.
  std::uint32_t kind;    ///< vivarium.v1.ErrorKind
};
[[nodiscard]] failure_face face_of(errc code) noexcept;
/// What a client may read of an error: what the daemon met inside itself stays in its log.
[[nodiscard]] std::string public_message(const error& why);
/// An encoded vivarium.v1.ErrorDetail.
[[nodiscard]] std::string encode_detail(const error& why, std::string_view request_id);
/// Appends the JSON form of that ErrorDetail.
void append_detail_json(std::string& out, const error& why, std::string_view request_id);
/// Appends Connect's JSON form of an error.
void append_error_json(std::string& out, const error& why, std::string_view request_id);

} // namespace vivarium::wire
