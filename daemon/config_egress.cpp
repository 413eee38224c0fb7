// SPDX-License-Identifier: Apache-2.0
#include "daemon/config_egress.hpp"

#include "daemon/config_capabilities.hpp"

#include <algorithm>

namespace vivarium {

using sandbox::ip_address;
using sandbox::ip_network;

namespace {

constexpr std::int64_t kib = 1 << 10;
constexpr std::int64_t tib = std::int64_t{1} << 40;
constexpr std::size_t most_rules = 1'000;
constexpr std::size_t most_addresses = 16;

void read_rules(table_reader& in, egress_policy& into) {
  std::vector<std::string> texts;
  in.take("allow", texts);
  if (texts.size() > most_rules)
    in.complain("allow", "has more than " + std::to_string(most_rules) + " entries");
  for (const auto& text : texts) {
    auto rule = parse_egress_rule(text);
    if (rule)
      into.allow.push_back(*std::move(rule));
    else
      in.complain("allow", rule.why().detail);
  }
}

void read_private(table_reader& in, egress_policy& into) {
  std::vector<std::string> texts;
  in.take("allow_private", texts);
  for (const auto& text : texts) {
    if (auto network = ip_network::parse(text))
      into.allow_private.push_back(*network);
    else
      in.complain("allow_private", "\"" + text
                                       + "\" is neither an address nor a range such as "
                                         "10.1.0.0/16");
  }
  // A rule that can never apply is a mistake that nobody would see before a session fails.
  for (const auto& rule : into.allow) {
    bool one = rule.network.bits == (rule.network.first.is_v4() ? 32u : 128u);
    if (!rule.name.empty() || !one || !sandbox::is_special(rule.network.first))
      continue;
    auto covers = [&](const ip_network& n) { return n.contains(rule.network.first); };
    if (std::none_of(into.allow_private.begin(), into.allow_private.end(), covers))
      in.complain("allow", rule.network.first.text()
                               + " is not a public address; allow_private must name it, too");
  }
}

void read_addresses(table_reader in, egress_policy& into) {
  if (in.raw() == nullptr)
    return;
  for (const auto& [key, node] : *in.raw()) {
    std::string name{key.str()};
    std::vector<std::string> texts;
    in.take(name, texts);
    auto host = canonical_host(name);
    if (!host) {
      in.complain(name, "is not the name of a host");
      continue;
    }
    auto& addresses = into.resolve[*host];
    for (const auto& text : texts) {
      if (auto address = ip_address::parse(text))
        addresses.push_back(*address);
      else
        in.complain(name, "\"" + text + "\" is not an address");
    }
    if (addresses.empty() || addresses.size() > most_addresses)
      in.complain(name, "needs 1 to " + std::to_string(most_addresses) + " addresses");
  }
  in.finish();
}

} // namespace

void read_egress(table_reader in, config& into) {
  in.each_named([&](const std::string& name, table_reader& one) {
    auto& policy = into.core.egress[name];
    read_rules(one, policy);
    read_private(one, policy);
    read_addresses(one.below("resolve"), policy);
    one.take_count("connections", policy.connections, {1, 1'000'000'000});
    one.take_count("open", policy.open, {1, 10'000});
    one.take_size("bytes", policy.bytes, {kib, 1'024 * tib});
    // Longer and the worker would stand still longer than a person waits.
    one.take_duration("connect_timeout", policy.connect_timeout, {1, 10'000});
    one.take_duration("http_timeout", policy.http_timeout, {1, 3'600'000});
    take_file(one, "http_ca", policy.http_ca);
  });
}

} // namespace vivarium
