// SPDX-License-Identifier: Apache-2.0
#include "actors/capabilities.hpp"

#include "actors/pg_target.hpp"
#include "actors/settings.hpp"

#include <algorithm>

namespace vivarium {

namespace {

/// Whether a policy has a rule for a host, by name or address, and a port.
bool allows(const egress_policy& policy, const std::string& host, std::uint16_t port) {
  auto address = sandbox::ip_address::parse(host);
  return std::any_of(policy.allow.begin(), policy.allow.end(), [&](const egress_rule& rule) {
    return port >= rule.first_port && port <= rule.last_port
           && (rule.name.empty() ? address && rule.network.contains(*address) : rule.name == host);
  });
}

status reaches(const settings& config, const std::string& egress, const std::string& host,
               std::uint16_t port, std::string_view option) {
  auto found = config.egress.find(egress);
  auto where = host + ":" + std::to_string(port);
  if (found == config.egress.end())
    return error{errc::permission_denied, "`" + std::string{option} + "` leads to " + where
                                              + ": `egress` of CreateSession has to name a policy "
                                                "of the configuration that allows it"};
  if (!allows(found->second, host, port))
    return error{errc::permission_denied, "`" + std::string{option} + "` leads to " + where
                                              + ", which [egress." + egress + "] does not allow"};
  return done{};
}

/// What a rule for a name says does not hold for who goes to the name's address.
status check_ways_around(const settings& config, const std::string& egress, const http_rule& rule) {
  if (sandbox::ip_address::parse(rule.origin.host))
    return done{};
  const auto& allow = config.egress.at(egress).allow;
  auto around = std::find_if(allow.begin(), allow.end(), [&](const egress_rule& one) {
    return one.name.empty() && rule.origin.port >= one.first_port
           && rule.origin.port <= one.last_port;
  });
  if (around == allow.end())
    return done{};
  return error{errc::permission_denied,
               "`capabilities.http_rules`: " + rule.text + " would not hold: \"" + around->text
                   + "\" of [egress." + egress + "] lets the session connect to addresses on port "
                   + std::to_string(rule.origin.port) + ", whatever their names; name a policy "
                   + "without it as `egress` of CreateSession"};
}

status may_have_sql(const settings& config, const std::string& tenant, const std::string& egress,
                    const sql_grant& what) {
  if (!what.url.empty()) {
    auto target = parse_pg_url(what.url, pg_url_from::client);
    if (!target)
      return error{target.why().code, "`capabilities.sql.database_url`: " + target.why().detail};
    return reaches(config, egress, target->host, target->port, "capabilities.sql.database_url");
  }
  // One that is another tenant's is not there for this one.
  auto may = config.tenants.find(tenant);
  bool allowed = may == config.tenants.end() || !may->second.databases
                 || may->second.databases->contains(what.database);
  if (!config.databases.contains(what.database) || !allowed)
    return error{errc::permission_denied, "there is no database '" + what.database
                                              + "' for this tenant; [databases." + what.database
                                              + "] of the configuration would be one, and tenants."
                                              + tenant + ".databases has to name it"};
  return done{};
}

} // namespace

bool store_grant::covers(std::string_view key) const noexcept {
  return key.starts_with(prefix)
         && (keys.empty() || std::binary_search(keys.begin(), keys.end(), key));
}

status may_have(const settings& config, const std::string& tenant, const std::string& egress,
                const capability_request& what) {
  if (what.sql)
    if (auto ok = may_have_sql(config, tenant, egress, *what.sql); !ok)
      return ok;
  for (const auto& rule : what.http_rules)
    for (const auto& other : what.http_rules)
      if (other.origin.host == rule.origin.host && other.origin.port == rule.origin.port
          && other.origin.secure != rule.origin.secure)
        return error{errc::invalid_argument, "`capabilities.http_rules`: " + rule.text + " and "
                                                 + other.text
                                                 + " are for the same port, which speaks either "
                                                   "HTTP or HTTPS"};
  for (const auto& rule : what.http_rules)
    if (auto ok =
            reaches(config, egress, rule.origin.host, rule.origin.port, "capabilities.http_rules");
        !ok)
      return ok;
  for (const auto& rule : what.http_rules)
    if (auto ok = check_ways_around(config, egress, rule); !ok)
      return ok;
  if (what.aws && !what.aws->endpoint.empty()) {
    auto where = parse_http_rule(what.aws->endpoint);
    if (!where)
      return error{errc::invalid_argument,
                   "`capabilities.boto3.endpoint_url` is not an http or https URL"};
    if (auto ok = reaches(config, egress, where->origin.host, where->origin.port,
                          "capabilities.boto3.endpoint_url");
        !ok)
      return ok;
  }
  if (what.aws && what.aws->endpoint.empty() && egress.empty())
    return error{errc::permission_denied,
                 "`capabilities.boto3` needs a way out: `egress` of CreateSession has to name a "
                 "policy of the configuration that allows the services' hosts"};
  return done{};
}

} // namespace vivarium
