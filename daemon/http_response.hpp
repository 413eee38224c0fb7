// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>

namespace vivarium {

/// Head of an HTTP response. The texts come from the daemon itself or were checked for plainness:
/// nothing here is escaped.
struct response_head {
  int status = 200;
  std::string_view content_type;
  std::optional<std::uint64_t> length; ///< Absent: chunked, or up to the close for HTTP/1.0.
  std::string_view request_id;
  std::string_view date;  ///< Value of the Date header.
  std::string_view extra; ///< Complete header lines, each with its CRLF.
  bool keep_alive = true;
  bool http11 = true;
  bool bodiless = false; ///< HTTP knows no body here: nothing is said of its framing.
};

void append_head(std::string& out, const response_head& head);

/// Returns the reason phrase of a status.
[[nodiscard]] std::string_view reason_of(int status) noexcept;

/// Returns the time as an HTTP date, e.g. "Sun, 06 Nov 1994 08:49:37 GMT".
[[nodiscard]] std::string http_date(std::time_t when);

} // namespace vivarium
