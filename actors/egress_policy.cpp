// SPDX-License-Identifier: Apache-2.0
#include "actors/egress_policy.hpp"

#include <algorithm>
#include <charconv>

namespace vivarium {

using sandbox::endpoint;
using sandbox::ip_address;
using sandbox::ip_network;

namespace {

constexpr std::uint32_t first_synthetic = 0xc6120001; // 198.18.0.1
constexpr std::size_t longest_name = 253;
constexpr std::size_t longest_label = 63;

bool has_only_digits(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_label(std::string_view text) {
  return !text.empty() && text.size() <= longest_label && text.front() != '-' && text.back() != '-'
         && std::all_of(text.begin(), text.end(), [](char c) {
              return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
            });
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t out = 0;
  auto read = std::from_chars(text.data(), text.data() + text.size(), out);
  if (read.ec != std::errc{} || read.ptr != text.data() + text.size() || out == 0)
    return std::nullopt;
  return out;
}

status read_ports(egress_rule& into, std::string_view text) {
  if (text == "*") {
    into.first_port = 1;
    into.last_port = 65'535;
    return done{};
  }
  auto dash = text.find('-');
  auto first = parse_port(text.substr(0, dash));
  auto last = dash == std::string_view::npos ? first : parse_port(text.substr(dash + 1));
  if (!first || !last || *first > *last)
    return error{errc::invalid_argument,
                 "the port must be a number, a range such as 8000-8010, or *"};
  into.first_port = *first;
  into.last_port = *last;
  return done{};
}

error not_a_host(std::string_view rule) {
  std::string text = "\"" + std::string{rule} + "\" names no host: ";
  if (rule.substr(0, rule.rfind(':')).find('*') != std::string_view::npos)
    return error{errc::invalid_argument,
                 text
                     + "wildcards cannot be resolved inside of a session; name each host, or give "
                       "a range of addresses such as 10.1.0.0/16"};
  return error{errc::invalid_argument,
               text
                   + "a name in ASCII (xn-- for others), an IPv4 address, an IPv6 address in "
                     "brackets, or a range such as 10.1.0.0/16 is needed"};
}

} // namespace

std::string_view name_of(egress_outcome how) noexcept {
  switch (how) {
    case egress_outcome::connected: return "connected";
    case egress_outcome::malformed: return "malformed";
    case egress_outcome::not_tcp: return "not_tcp";
    case egress_outcome::no_policy: return "no_policy";
    case egress_outcome::not_allowed: return "not_allowed";
    case egress_outcome::private_address: return "private_address";
    case egress_outcome::own_listener: return "own_listener";
    case egress_outcome::no_such_host: return "no_such_host";
    case egress_outcome::unreachable: return "unreachable";
    case egress_outcome::timed_out: return "timed_out";
    case egress_outcome::interrupted: return "interrupted";
    case egress_outcome::too_many_open: return "too_many_open";
    case egress_outcome::connection_budget: return "connection_budget";
    case egress_outcome::byte_budget: return "byte_budget";
  }
  return "unknown";
}

std::optional<std::string> canonical_host(std::string_view text) {
  if (text.ends_with('.'))
    text.remove_suffix(1);
  if (text.empty() || text.size() > longest_name)
    return std::nullopt;
  std::string out{text};
  for (char& c : out)
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  std::string_view rest = out;
  std::string_view label;
  for (bool more = true; more;) {
    auto dot = rest.find('.');
    label = rest.substr(0, dot);
    if (!is_label(label))
      return std::nullopt;
    more = dot != std::string_view::npos;
    rest.remove_prefix(more ? dot + 1 : rest.size());
  }
  // "127.1", "0x7f000001" and "2130706433" are addresses to a resolver.
  if (has_only_digits(label) || label.starts_with("0x"))
    return std::nullopt;
  return out;
}

result<egress_rule> parse_egress_rule(std::string_view text) {
  auto colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0 || text.ends_with(']'))
    return error{errc::invalid_argument,
                 "\"" + std::string{text} + "\" must be like \"api.example.com:443\""};
  egress_rule out;
  out.text = text;
  if (auto ok = read_ports(out, text.substr(colon + 1)); !ok)
    return error{errc::invalid_argument, "\"" + std::string{text} + "\": " + ok.why().detail};
  auto host = text.substr(0, colon);
  if (host.starts_with('[')) {
    auto close = host.find(']');
    if (close == std::string_view::npos)
      return not_a_host(text);
    auto inside = std::string{host.substr(1, close - 1)} + std::string{host.substr(close + 1)};
    auto network = ip_network::parse(inside);
    if (!network || inside.find(':') == std::string::npos)
      return not_a_host(text);
    out.network = *network;
    return out;
  }
  if (auto network = ip_network::parse(host); network && network->first.is_v4()) {
    out.network = *network;
    return out;
  }
  auto name = canonical_host(host);
  if (!name)
    return not_a_host(text);
  out.name = *std::move(name);
  return out;
}

egress_map::egress_map(const egress_policy& policy) : policy_{policy} {
  for (const auto& rule : policy.allow)
    if (!rule.name.empty())
      names_.push_back(rule.name);
  std::sort(names_.begin(), names_.end());
  names_.erase(std::unique(names_.begin(), names_.end()), names_.end());
}

std::string egress_map::hosts_file() const {
  bool has_localhost = std::binary_search(names_.begin(), names_.end(), "localhost");
  std::string out = has_localhost ? "" : "127.0.0.1 localhost\n";
  auto next = first_synthetic;
  for (const auto& name : names_)
    out += ip_address::v4(next++).text() + " " + name + "\n";
  return out;
}

std::optional<egress_map::destination> egress_map::find(const endpoint& wanted) const {
  destination out{{}, wanted};
  if (wanted.address.is_v4()) {
    auto place = wanted.address.as_v4() - first_synthetic;
    if (wanted.address.as_v4() >= first_synthetic && place < names_.size())
      out.name = names_[place];
  }
  auto fits = [&](const egress_rule& rule) {
    return wanted.port >= rule.first_port && wanted.port <= rule.last_port
           && (rule.name.empty() ? out.name.empty() && rule.network.contains(wanted.address)
                                 : rule.name == out.name);
  };
  if (std::none_of(policy_.allow.begin(), policy_.allow.end(), fits))
    return std::nullopt;
  return out;
}

egress_outcome check_address(const egress_policy& policy, const endpoint& where,
                             const std::vector<endpoint>& own) {
  auto is_own = [&](const endpoint& listener) {
    bool anywhere = listener.address == ip_address{} || listener.address.text() == "::";
    return listener.port == where.port
           && (listener.address == where.address || (anywhere && is_special(where.address)));
  };
  if (std::any_of(own.begin(), own.end(), is_own))
    return egress_outcome::own_listener;
  auto allowed = [&](const ip_network& one) { return one.contains(where.address); };
  if (is_special(where.address)
      && std::none_of(policy.allow_private.begin(), policy.allow_private.end(), allowed))
    return egress_outcome::private_address;
  return egress_outcome::connected;
}

} // namespace vivarium
