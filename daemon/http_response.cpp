// SPDX-License-Identifier: Apache-2.0
#include "daemon/http_response.hpp"

#include <array>
#include <charconv>
#include <cstdio>

namespace vivarium {

std::string_view reason_of(int status) noexcept {
  switch (status) {
    case 101: return "Switching Protocols";
    case 200: return "OK";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 426: return "Upgrade Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 499: return "Client Closed Request";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    default: return "Error";
  }
}

void append_head(std::string& out, const response_head& head) {
  auto number = [&out](std::size_t value) {
    std::array<char, 20> digits;
    auto stop = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    out.append(digits.data(), stop);
  };
  out += "HTTP/1.1 ";
  number(static_cast<std::size_t>(head.status));
  out += ' ';
  out += reason_of(head.status);
  if (!head.content_type.empty()) {
    out += "\r\nContent-Type: ";
    out += head.content_type;
  }
  if (head.length) {
    out += "\r\nContent-Length: ";
    number(*head.length);
  } else if (head.http11 && head.status != 101) {
    out += "\r\nTransfer-Encoding: chunked";
  }
  if (!head.keep_alive)
    out += "\r\nConnection: close";
  else if (!head.http11)
    out += "\r\nConnection: keep-alive";
  if (!head.request_id.empty()) {
    out += "\r\nX-Request-Id: ";
    out += head.request_id;
  }
  if (!head.date.empty()) {
    out += "\r\nDate: ";
    out += head.date;
  }
  out += "\r\n";
  out += head.extra;
  out += "\r\n";
}

std::string http_date(std::time_t when) {
  // Not strftime: its names follow the locale.
  static constexpr std::array days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::tm t{};
  gmtime_r(&when, &t);
  std::array<char, 40> text;
  auto n = std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                         days[static_cast<std::size_t>(t.tm_wday)], t.tm_mday,
                         months[static_cast<std::size_t>(t.tm_mon)], t.tm_year + 1900, t.tm_hour,
                         t.tm_min, t.tm_sec);
  return {text.data(), static_cast<std::size_t>(n)};
}

} // namespace vivarium
