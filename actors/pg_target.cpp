// SPDX-License-Identifier: Apache-2.0
#include "actors/pg_target.hpp"

#include "actors/egress_policy.hpp"
#include "sandbox/ip_address.hpp"

#include <charconv>
#include <optional>

namespace vivarium {

namespace {

constexpr std::size_t most_url_bytes = 4'096;

error wrong(std::string_view what) {
  return error{errc::invalid_argument,
               std::string{what}
                   + "; it must be like postgresql://user:password@host:5432/database"};
}

std::optional<std::string> decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    unsigned value = 0;
    const auto* from = text.data() + i + 1;
    if (i + 2 >= text.size() || std::from_chars(from, from + 2, value, 16).ptr != from + 2)
      return std::nullopt;
    out += static_cast<char>(value);
    i += 2;
  }
  // Ends a field of the protocol.
  if (out.find('\0') != std::string::npos)
    return std::nullopt;
  return out;
}

status take(std::string& into, std::string_view text, std::string_view what) {
  auto plain = decoded(text);
  if (!plain)
    return wrong(std::string{"the "} + std::string{what} + " is not percent-encoded as it should");
  into = *std::move(plain);
  return done{};
}

status take_host(pg_target& into, std::string_view text, pg_url_from whose) {
  auto host = text;
  auto colon = text.rfind(':');
  if (colon != std::string_view::npos && !text.ends_with(']')) {
    auto digits = text.substr(colon + 1);
    auto read = std::from_chars(digits.data(), digits.data() + digits.size(), into.port);
    if (read.ec != std::errc{} || read.ptr != digits.data() + digits.size() || into.port == 0)
      return wrong("the port is none");
    host = text.substr(0, colon);
  }
  std::string plain;
  if (auto ok = take(plain, host, "host"); !ok)
    return ok;
  if (plain.starts_with('/') && whose == pg_url_from::operator_) {
    into.host = std::move(plain);
    return done{};
  }
  if (plain.starts_with('[') && plain.ends_with(']'))
    plain = plain.substr(1, plain.size() - 2);
  if (auto address = sandbox::ip_address::parse(plain)) {
    into.host = address->text();
    return done{};
  }
  auto name = canonical_host(plain);
  if (!name)
    return wrong("the host is none");
  into.host = *std::move(name);
  return done{};
}

status take_options(pg_target& into, std::string_view query) {
  while (!query.empty()) {
    auto end = query.find('&');
    auto one = query.substr(0, end);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    auto equals = one.find('=');
    auto name = one.substr(0, equals);
    auto value = equals == std::string_view::npos ? std::string_view{} : one.substr(equals + 1);
    if (name == "sslmode" && value == "disable")
      into.tls = pg_tls::disable;
    else if (name == "sslmode" && (value == "prefer" || value == "allow"))
      into.tls = pg_tls::prefer;
    else if (name == "sslmode" && value == "require")
      into.tls = pg_tls::require;
    else if (name == "sslmode" && value == "verify-full")
      into.tls = pg_tls::verify_full;
    else
      return wrong("the only option is sslmode, which is disable, prefer, require or verify-full");
  }
  return done{};
}

} // namespace

result<pg_target> parse_pg_url(std::string_view url, pg_url_from whose) {
  pg_target out;
  if (url.size() > most_url_bytes)
    return wrong("the URL is too long");
  for (std::string_view scheme : {"postgresql://", "postgres://"})
    if (url.starts_with(scheme)) {
      url.remove_prefix(scheme.size());
      auto query = url.find('?');
      auto options = query == std::string_view::npos ? std::string_view{} : url.substr(query + 1);
      url = url.substr(0, query);
      auto slash = url.find('/');
      auto authority = url.substr(0, slash);
      auto database = slash == std::string_view::npos ? std::string_view{} : url.substr(slash + 1);
      auto at = authority.rfind('@');
      auto who = at == std::string_view::npos ? std::string_view{} : authority.substr(0, at);
      auto host = at == std::string_view::npos ? authority : authority.substr(at + 1);
      auto colon = who.find(':');
      auto ok = take(out.user, who.substr(0, colon), "user");
      if (ok && colon != std::string_view::npos)
        ok = take(out.password, who.substr(colon + 1), "password");
      if (ok)
        ok = take(out.database, database, "database");
      if (ok)
        ok = take_host(out, host, whose);
      if (ok)
        ok = take_options(out, options);
      if (!ok)
        return std::move(ok).why();
      if (out.user.empty())
        return wrong("the user is missing");
      if (out.database.empty())
        out.database = out.user;
      return out;
    }
  return wrong("the URL does not begin with postgresql://");
}

} // namespace vivarium
