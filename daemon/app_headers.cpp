// SPDX-License-Identifier: Apache-2.0
#include "daemon/app_headers.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace vivarium {

namespace {

// Of the connection, or said by the daemon itself.
constexpr std::array<std::string_view, 13> never{
    "connection",   "keep-alive",         "proxy-connection", "proxy-authenticate", "te",
    "trailer",      "transfer-encoding",  "upgrade",          "content-length",     "date",
    "x-request-id", "vivarium-execution", "vivarium-usage"};
// What holds for a whole origin, of which the application is only a part.
constexpr std::array<std::string_view, 12> of_origin{"service-worker-allowed",
                                                     "clear-site-data",
                                                     "strict-transport-security",
                                                     "alt-svc",
                                                     "report-to",
                                                     "reporting-endpoints",
                                                     "nel",
                                                     "public-key-pins",
                                                     "www-authenticate",
                                                     "accept-ch",
                                                     "critical-ch",
                                                     "set-login"};

// Without allow-same-origin: the page cannot read the API's answers, nor cookies, nor storage.
constexpr std::string_view sandbox_line =
    "Content-Security-Policy: sandbox allow-downloads allow-forms allow-modals allow-popups "
    "allow-scripts\r\n";

std::string lower(std::string_view text) {
  std::string out{text};
  for (char& c : out)
    if (c >= 'A' && c <= 'Z')
      c = static_cast<char>(c | 0x20);
  return out;
}

std::string_view trim(std::string_view text) {
  auto from = text.find_first_not_of(" \t");
  if (from == std::string_view::npos)
    return {};
  return text.substr(from, text.find_last_not_of(" \t") - from + 1);
}

template <std::size_t N>
bool among(const std::array<std::string_view, N>& all, std::string_view one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

bool read_length(std::string_view digits, std::optional<std::uint64_t>& into) {
  std::uint64_t length = 0;
  digits = trim(digits);
  auto [stop, bad] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  if (digits.empty() || bad != std::errc{} || stop != digits.data() + digits.size()
      || (into && *into != length))
    return false;
  into = length;
  return true;
}

void put_line(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  out += ": ";
  out += value;
  out += "\r\n";
}

} // namespace

std::optional<std::string> confined_cookie(const app_place& at, std::string_view cookie) {
  auto pair = trim(cookie.substr(0, cookie.find(';')));
  auto equals = pair.find('=');
  auto name = lower(trim(pair.substr(0, equals)));
  // One without a name is told apart by its value, which may look like any pair.
  if (equals == std::string_view::npos || name.empty())
    return std::nullopt;
  if (!at.own_host && name.starts_with("__host-"))
    return std::nullopt; // It would hold for the whole origin.
  std::string out{pair};
  for (auto rest = cookie.substr(std::min(cookie.find(';'), cookie.size())); !rest.empty();) {
    rest.remove_prefix(1);
    auto attribute = trim(rest.substr(0, rest.find(';')));
    rest = rest.substr(std::min(rest.find(';'), rest.size()));
    auto what = lower(trim(attribute.substr(0, attribute.find('='))));
    if (what.empty() || what == "domain" || (what == "path" && !at.own_host))
      continue;
    out += "; ";
    out += attribute;
  }
  if (!at.own_host)
    out += "; Path=" + at.prefix + "/";
  return out;
}

result<app_head> app_head_for(const app_place& at, const bridge::app_response& from) {
  app_head out;
  std::size_t size = 256;
  for (const auto& [name, value] : from.headers)
    size += name.size() + value.size() + 4;
  out.lines.reserve(size);
  for (const auto& [name, value] : from.headers) {
    auto small = lower(name);
    if (small == "content-length" && !read_length(value, out.length))
      return error{errc::malformed, "the response has a Content-Length that is none"};
    if (among(never, small) || (!at.own_host && among(of_origin, small)))
      continue;
    if (small == "set-cookie") {
      if (auto cookie = confined_cookie(at, value))
        put_line(out.lines, name, *cookie);
      continue;
    }
    put_line(out.lines, name, trim(value));
  }
  if (!at.own_host)
    out.lines += sandbox_line;
  return out;
}

} // namespace vivarium
