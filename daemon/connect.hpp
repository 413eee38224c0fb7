// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/http_request.hpp"
#include "daemon/rpc.hpp"
#include "daemon/wire.hpp"

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

/// The Connect protocol as far as it is rules about bytes: what a request means, how answers and
/// errors are framed. No input or output happens here.
namespace vivarium::connect {

/// A request that is refused before any method sees it.
struct refusal {
  int status; ///< HTTP's; 0 when the error's code decides.
  error why;
  std::string_view extra = {}; ///< Complete header lines for the response.
};

/// A request as the method shall see it.
struct request {
  wire::codec codec = wire::codec::json;
  std::string_view message; ///< Points into the HTTP request or into `owned`.
  std::string owned;
  std::optional<std::chrono::milliseconds> timeout;
  bool gzip_answer = false;

  request() = default;
  request(request&&) = delete; // `message` may point into `owned`
};

/// Reads a unary request, POST or GET. `limit` bounds the uncompressed message.
[[nodiscard]] std::optional<refusal> read_unary(request& into, const http_request& http,
                                                const rpc::method_info& method, std::size_t limit);

/// Reads the request of a server stream. `codec` is set even when the content is refused, unless
/// the refusal has an HTTP status of its own.
[[nodiscard]] std::optional<refusal> read_stream(request& into, const http_request& http,
                                                 std::size_t limit);

[[nodiscard]] std::string_view unary_type(wire::codec codec) noexcept;
[[nodiscard]] std::string_view stream_type(wire::codec codec) noexcept;

inline constexpr std::size_t envelope_head = 5;
/// Appends the head of an envelope: flags and length.
void append_envelope_head(std::string& out, bool end_of_stream, std::size_t length);
/// Returns the message that ends a stream.
[[nodiscard]] std::string end_of_stream();
[[nodiscard]] std::string end_of_stream(const error& why, std::string_view request_id);

} // namespace vivarium::connect
