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
    case 201: return "Created";
    case 202: return "Accepted";
    case 203: return "Non-Authoritative Information";
    case 204: return "No Content";
    case 205: return "Reset Content";
    case 206: return "Partial Content";
    case 300: return "Multiple Choices";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 418: return "I'm a teapot";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Entity";
    case 423: return "Locked";
    case 424: return "Failed Dependency";
    case 425: return "Too Early";
    case 426: return "Upgrade Required";
    case 428: return "Precondition Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 451: return "Unavailable For Legal Reasons";
    case 499: return "Client Closed Request";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 507: return "Insufficient Storage";
    default: return "Unknown";
  }
}

void append_head(std::string& out, const response_head& head) {
  auto number = [&out](std::uint64_t value) {
    std::array<char, 20> digits;
    auto stop = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    out.append(digits.data(), stop);
  };
  out += "HTTP/1.1 ";
  number(static_cast<std::uint64_t>(head.status));
  out += ' ';
  out += reason_of(head.status);
  if (!head.content_type.empty()) {
    out += "\r\nContent-Type: ";
    out += head.content_type;
  }
  if (head.length) {
    out += "\r\nContent-Length: ";
    number(*head.length);
  } else if (head.http11 && !head.bodiless && head.status != 101) {
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
