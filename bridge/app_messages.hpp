// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vivarium::bridge {

// What a web application is asked, and what it answers, as values of vivarium.v1: the operands of
// run_mode::app_request, its items and its result.

/// A request, the way ASGI's scope wants it. Views; nothing is checked but where it says so.
struct app_request {
  enum class protocol : std::uint8_t { http, websocket };
  std::uint64_t app = 0;
  protocol kind = protocol::http;
  std::string_view method;
  std::string_view version = "1.1";
  std::string_view scheme = "http";
  std::string_view raw_path; ///< Below `root_path`, as sent, without the query.
  std::string_view query;    ///< As sent.
  std::string_view root_path;
  std::vector<std::pair<std::string_view, std::string_view>> headers; ///< Names in lower case.
  std::string_view client_host;
  std::uint16_t client_port = 0;
  std::string_view server_host;
  std::uint16_t server_port = 0;
  std::string_view body;  ///< As much of it as is there.
  bool more_body = false; ///< More follows as `app_input`.
};

/// Appends the request as an encoded Value.
void append_app_request(std::string& out, const app_request& what);

/// The head of a response and what came with it of its body. Views into what was read.
struct app_response {
  std::uint32_t status = 200; ///< 100 to 999; 101: a WebSocket was accepted, `body` its protocol.
  std::vector<std::pair<std::string_view, std::string_view>> headers;
  std::string_view body;
};

inline constexpr std::size_t most_app_headers = 256;
inline constexpr std::size_t most_app_header_bytes = 64u << 10;

/// Reads the first item of a response, or the result that is a whole one, from a validated Value.
/// Refuses with `malformed` what HTTP cannot carry: it is a worker's word.
result<app_response> read_app_response(std::string_view encoded);

/// What a later item of a response is.
struct app_piece {
  enum class piece_kind : std::uint8_t {
    body,  ///< Bytes of the body, or a binary message of a WebSocket.
    text,  ///< A text message of a WebSocket.
    end,   ///< The response is complete, though the application goes on.
    close, ///< The WebSocket is to be closed with `code` and the reason `content`.
  };
  piece_kind kind = piece_kind::body;
  std::uint16_t code = 0;
  std::string_view content;
};

/// Reads such an item. Refuses with `malformed`.
result<app_piece> read_app_piece(std::string_view encoded);

/// Whether `text` can be the name of a header.
[[nodiscard]] bool is_header_name(std::string_view text) noexcept;
/// Whether `text` can be a header's value: nothing in it ends the line.
[[nodiscard]] bool is_header_value(std::string_view text) noexcept;

} // namespace vivarium::bridge
