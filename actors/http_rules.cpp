// SPDX-License-Identifier: Apache-2.0
#include "actors/http_rules.hpp"

#include "actors/egress_policy.hpp"
#include "bridge/validate.hpp"
#include "sandbox/ip_address.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace vivarium {

namespace {

constexpr std::size_t most_url_bytes = 16u << 10;
constexpr std::size_t most_components = 1'000;
constexpr std::size_t most_method = 32;
constexpr std::size_t most_header_bytes = 16u << 10;
constexpr std::string_view all_methods = "ALL";

char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string lowered(std::string_view text) {
  std::string out{text};
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

bool is_token_char(char c) noexcept {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
         || std::string_view{"!#$%&'*+-.^_`|~"}.find(c) != std::string_view::npos;
}

bool is_token(std::string_view text) noexcept {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_token_char);
}

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9')
    return c - '0';
  c = lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/// Decodes one component; nothing when a server might read it as more than that.
std::optional<std::string> decode(std::string_view component) {
  std::string out;
  for (std::size_t i = 0; i < component.size(); ++i) {
    char c = component[i];
    if (c == '%') {
      if (i + 2 >= component.size())
        return std::nullopt;
      int high = hex_digit(component[i + 1]);
      int low = hex_digit(component[i + 2]);
      if (high < 0 || low < 0)
        return std::nullopt;
      c = static_cast<char>(high << 4 | low);
      i += 2;
      // An encoded slash or backslash is one to some servers; "%25" is the start of a second
      // encoding to those that decode twice.
      if (c == '/' || c == '\\' || c == '%')
        return std::nullopt;
    }
    // Behind ";" are parameters of the component to some servers: "admin;x" is "admin" to them.
    if (c == '\\' || c == ';' || static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      return std::nullopt;
    out += c;
  }
  // Dots and spaces at the end are not there for some servers; that covers dot segments, too. Bytes
  // that are no UTF-8 can be a slash to who decodes them loosely.
  if (out.ends_with('.') || out.ends_with(' ') || !bridge::is_utf8(out))
    return std::nullopt;
  return out;
}

error not_a_prefix(std::string_view text, std::string_view why) {
  return error{errc::invalid_argument,
               "allowed_url_prefix \"" + std::string{text} + "\": " + std::string{why}};
}

std::optional<std::uint16_t> read_port(std::string_view text) {
  std::uint16_t out = 0;
  auto read = std::from_chars(text.data(), text.data() + text.size(), out);
  if (read.ec != std::errc{} || read.ptr != text.data() + text.size() || out == 0)
    return std::nullopt;
  return out;
}

status read_authority(http_origin& into, std::string_view authority, std::string_view url) {
  if (authority.find('@') != std::string_view::npos)
    return not_a_prefix(url, "credentials in a URL are refused; headers can hold them");
  auto host = authority;
  into.port = into.secure ? 443 : 80;
  auto colon = authority.rfind(':');
  if (colon != std::string_view::npos && !authority.ends_with(']')) {
    auto port = read_port(authority.substr(colon + 1));
    if (!port)
      return not_a_prefix(url, "the port is none");
    into.port = *port;
    host = authority.substr(0, colon);
  }
  if (host.starts_with('[') && host.ends_with(']')) {
    auto address = sandbox::ip_address::parse(host.substr(1, host.size() - 2));
    if (!address || address->is_v4())
      return not_a_prefix(url, "the host is none");
    into.host = address->text();
    return done{};
  }
  if (auto address = sandbox::ip_address::parse(host); address && address->is_v4()) {
    into.host = address->text();
    return done{};
  }
  auto name = canonical_host(host);
  if (!name)
    return not_a_prefix(url, "the host is none: a name in ASCII (xn-- for others) or an address");
  into.host = *std::move(name);
  return done{};
}

/// Whether the rule's path is the request's, or one above it.
bool is_above(const std::vector<std::string>& rule, const std::vector<std::string>& path) {
  return rule.size() <= path.size() && std::equal(rule.begin(), rule.end(), path.begin());
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& word : words)
    out += (out.empty() ? "" : ", ") + word;
  return out;
}

} // namespace

std::string http_origin::authority() const {
  auto out = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return port == (secure ? 443 : 80) ? out : out + ":" + std::to_string(port);
}

std::string http_origin::text() const {
  return (secure ? "https://" : "http://") + authority();
}

result<http_rule> parse_http_rule(std::string_view prefix) {
  http_rule out;
  out.text = prefix;
  out.methods = {"GET", "HEAD"};
  if (prefix.size() > most_url_bytes)
    return not_a_prefix(prefix.substr(0, 100), "it is too long");
  auto rest = prefix;
  auto scheme = rest.find("://");
  auto word = scheme == std::string_view::npos ? "" : lowered(rest.substr(0, scheme));
  if (word != "http" && word != "https")
    return not_a_prefix(prefix, "it must begin with http:// or https://");
  out.origin.secure = word == "https";
  rest.remove_prefix(scheme + 3);
  auto slash = rest.find('/');
  if (auto ok = read_authority(out.origin, rest.substr(0, slash), prefix); !ok)
    return std::move(ok).why();
  auto path = slash == std::string_view::npos ? std::string_view{"/"} : rest.substr(slash);
  if (path.find_first_of("?#") != std::string_view::npos)
    return not_a_prefix(prefix, "a prefix has no query and no fragment");
  auto parts = split_path(path);
  if (!parts)
    return not_a_prefix(prefix, "its path has dot segments, encoded slashes or the like");
  if (!parts->empty() && parts->back().empty())
    parts->pop_back(); // "/v1/" allows what "/v1" does.
  out.path = *std::move(parts);
  return out;
}

status add_method(http_rule& rule, std::string_view method) {
  if (method == all_methods) {
    rule.all_methods = true;
    return done{};
  }
  std::string name{method};
  std::transform(name.begin(), name.end(), name.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  if (!is_token(name) || name.size() > most_method || name == "CONNECT" || name == "TRACE")
    return error{errc::invalid_argument, "\"" + std::string{method.substr(0, most_method)}
                                             + "\" is not a method that can be allowed"};
  if (std::find(rule.methods.begin(), rule.methods.end(), name) == rule.methods.end())
    rule.methods.push_back(std::move(name));
  return done{};
}

status add_header(http_rule& rule, std::string_view name, std::string_view value) {
  static constexpr std::array<std::string_view, 12> ours{
      "host",       "content-length",   "transfer-encoding", "connection",
      "keep-alive", "upgrade",          "trailer",           "te",
      "expect",     "proxy-connection", "http2-settings",    "content-encoding"};
  auto low = lowered(name);
  if (!is_token(low) || std::find(ours.begin(), ours.end(), low) != ours.end())
    return error{errc::invalid_argument, "\"" + std::string{name.substr(0, 100)}
                                             + "\" is not the name of a header that can be set"};
  bool plain = std::all_of(value.begin(), value.end(), [](char c) {
    return c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
  });
  if (!plain || value.size() + name.size() > most_header_bytes)
    return error{errc::invalid_argument, "the value of header \"" + std::string{name}
                                             + "\" has control characters, or is too long"};
  rule.headers.emplace_back(name, value);
  return done{};
}

std::optional<std::vector<std::string>> split_path(std::string_view path) {
  if (!path.starts_with('/'))
    return std::nullopt;
  std::vector<std::string> out;
  for (bool more = path.size() > 1; more;) {
    path.remove_prefix(1);
    auto end = path.find('/');
    auto one = decode(path.substr(0, end));
    more = end != std::string_view::npos;
    // Servers that merge slashes would find another rule's path behind an empty component.
    if (!one || out.size() == most_components || (one->empty() && more))
      return std::nullopt;
    out.push_back(*std::move(one));
    path.remove_prefix(more ? end : path.size());
  }
  return out;
}

http_decision decide(const std::vector<http_rule>& rules, const http_origin& origin,
                     std::string_view method, std::string_view target) {
  static constexpr std::string_view option = " (`capabilities.http_rules` of CreateSession)";
  auto path = target.size() > most_url_bytes ? std::nullopt
                                             : split_path(target.substr(0, target.find('?')));
  bool odd = std::any_of(target.begin(), target.end(), [](char c) {
    return static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7f
           || c == '#' || c == '\\';
  });
  if (!path || odd)
    return {nullptr,
            "NetworkError: this URL is refused: its path has dot segments, encoded slashes, "
            "backslashes, semicolons, bytes that are not UTF-8 or the like, or is too long"};
  // Of rules as deep as each other the first holds.
  const http_rule* best = nullptr;
  for (const auto& rule : rules)
    if (rule.origin == origin && is_above(rule.path, *path)
        && (best == nullptr || rule.path.size() > best->path.size()))
      best = &rule;
  if (best == nullptr) {
    std::vector<std::string> prefixes;
    for (const auto& rule : rules)
      prefixes.push_back(rule.text);
    return {nullptr, "NetworkError: the URL " + origin.text()
                         + std::string{target.substr(0, std::min<std::size_t>(target.size(), 200))}
                         + " is not allowed. Allowed prefixes: " + joined(prefixes)
                         + std::string{option}};
  }
  if (method == "CONNECT" || method == "TRACE")
    return {nullptr, "HTTP method " + std::string{method} + " is never allowed."};
  if (best->all_methods
      || std::find(best->methods.begin(), best->methods.end(), method) != best->methods.end())
    return {best, {}};
  return {nullptr, "HTTP method " + std::string{method.substr(0, most_method)}
                       + " is not allowed. Allowed methods: " + joined(best->methods)
                       + std::string{option}};
}

} // namespace vivarium
