// SPDX-License-Identifier: Apache-2.0
#include "daemon/access.hpp"

#include "proto/ids.hpp"

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <utility>

namespace vivarium {

namespace {

std::string lower(std::string_view text) {
  std::string out{text};
  for (char& c : out)
    if (c >= 'A' && c <= 'Z')
      c = static_cast<char>(c | 0x20);
  return out;
}

bool all_digits(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// "host", "host:port", "[v6]", "[v6]:port" -> the host, or empty when it has another shape.
std::string_view without_port(std::string_view host) {
  if (host.starts_with('[')) {
    auto end = host.find(']');
    if (end == std::string_view::npos)
      return {};
    auto rest = host.substr(end + 1);
    if (!rest.empty() && (rest.front() != ':' || !all_digits(rest.substr(1))))
      return {};
    return host.substr(0, end + 1);
  }
  auto colon = host.find(':');
  if (colon == std::string_view::npos)
    return host;
  return all_digits(host.substr(colon + 1)) ? host.substr(0, colon) : std::string_view{};
}

bool is_loopback_v4(std::string_view host) {
  if (!host.starts_with("127."))
    return false;
  int dots = 0;
  std::size_t digits = 0;
  for (char c : host) {
    if (c == '.' && digits > 0) {
      ++dots;
      digits = 0;
    } else if (c < '0' || c > '9' || ++digits > 3) {
      return false;
    }
  }
  return dots == 3 && digits > 0;
}

/// Whether a host, in brackets when it is IPv6, is an address and no name.
bool is_address(const std::string& host) {
  boost::system::error_code bad;
  auto bare = host.starts_with('[') ? host.substr(1, host.size() - 2) : host;
  auto address = boost::asio::ip::make_address(bare, bad);
  return !bad && address.is_v6() == host.starts_with('[');
}

} // namespace

access_rules::access_rules(std::vector<std::string> hosts, std::vector<std::string> origins,
                           bool authenticated)
    : hosts_{std::move(hosts)}, origins_{std::move(origins)}, authenticated_{authenticated} {
  for (auto& h : hosts_)
    h = lower(h);
  for (auto& o : origins_)
    o = lower(o);
}

bool access_rules::known_host(std::string_view host) const {
  auto name = without_port(host);
  if (name == "127.0.0.1" || name == "localhost")
    return true;
  if (name.empty())
    return false;
  auto small = lower(name);
  if (small == "localhost" || small == "[::1]" || small.ends_with(".localhost")
      || is_loopback_v4(small))
    return true;
  if (authenticated_ && is_address(small))
    return true;
  return std::find(hosts_.begin(), hosts_.end(), small) != hosts_.end()
         || std::find(hosts_.begin(), hosts_.end(), lower(host)) != hosts_.end();
}

status access_rules::check(const http_request& request) const {
  auto ok = check_host(request);
  return ok ? check_origin(request) : ok;
}

status access_rules::check_one_host(const http_request& request) {
  auto hosts = request.count("host");
  if (hosts > 1 || (hosts == 0 && request.http11))
    return error{errc::invalid_argument, "a request needs exactly one Host header"};
  if (hosts == 1 && without_port(request.header("host")).empty())
    return error{errc::permission_denied, "this Host is none: behind its name comes a port"};
  return done{};
}

status access_rules::check_host(const http_request& request) const {
  auto ok = check_one_host(request);
  if (ok && !known_host(request.header("host")))
    return error{errc::permission_denied,
                 "this Host is not served here; add it to server.hosts of the configuration"};
  return ok;
}

status access_rules::check_origin(const http_request& request) const {
  if (request.count("origin") == 0)
    return done{};
  auto origin = lower(request.header("origin"));
  if (request.count("origin") > 1
      || std::find(origins_.begin(), origins_.end(), origin) == origins_.end())
    return error{errc::permission_denied,
                 "pages of this Origin may not use the daemon; add it to server.origins of the "
                 "configuration"};
  return done{};
}

std::string_view harmless_id(std::string_view given) noexcept {
  // It goes into a header and into log lines: nothing but plain characters, and not many.
  bool plain = given.size() <= 128 && std::all_of(given.begin(), given.end(), [](char c) {
                 return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')
                        || c == '-' || c == '_' || c == '.' || c == ':';
               });
  return plain ? given : std::string_view{};
}

std::string request_id_of(const http_request& request) {
  auto given = harmless_id(request.header("x-request-id"));
  return given.empty() ? make_id(id_kind::request) : std::string{given};
}

trace_context trace_context_of(const http_request& request) noexcept {
  auto found = request.count("traceparent") == 1 ? parse_traceparent(request.header("traceparent"))
                                                 : std::nullopt;
  return found.value_or(trace_context{});
}

} // namespace vivarium
