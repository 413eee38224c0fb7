// SPDX-License-Identifier: Apache-2.0
#include "daemon/address.hpp"
#include "daemon/config.hpp"
#include "daemon/key_admin.hpp"

#include <unistd.h>

namespace vivarium {

namespace {

void look_at_keys(const config& of, std::vector<std::string>& out) {
  const auto& path = of.auth.keys;
  if (::access(path.c_str(), F_OK) != 0) {
    out.push_back("auth.keys: there is no " + path
                  + " yet: make a key with \"vivarium keys create\"");
    return;
  }
  auto held = list_keys(path);
  if (!held) {
    out.push_back("auth.keys: " + held.why().detail);
    return;
  }
  for (const auto& key : held->keys)
    if (!of.core.tenants.contains(key.tenant))
      out.push_back("auth.keys: key " + key.id + " is for the tenant \"" + key.tenant
                    + "\", which the configuration does not have: it opens nothing");
}

} // namespace

std::vector<std::string> warnings(const config& of) {
  std::vector<std::string> out;
  if (of.auth.asked() && of.core.tenants.empty())
    out.emplace_back("tenants: there are none, so nobody gets in");
  if (!of.auth.keys.empty())
    look_at_keys(of, out);
  for (const auto& rule : of.auth.certificates)
    if (!of.core.tenants.contains(rule.tenant))
      out.push_back("auth.certificates: the configuration has no tenant \"" + rule.tenant + "\"");
  for (const auto& [name, may] : of.core.tenants)
    for (const auto& environment : may.environments.value_or(std::set<std::string>{}))
      if (!of.core.environments.contains(environment))
        out.push_back("tenants." + name + ".environments: the configuration has no environment \""
                      + environment + "\": it is one that has to be registered");
  if (!of.tls.certificate.empty())
    if (auto loaded = load_tls(of.tls); !loaded)
      out.push_back(loaded.why().detail);
  for (const auto& text : of.listen) {
    auto where = parse_address(text);
    if (where && where->what == listen_address::kind::tcp && !where->tcp.address().is_loopback())
      out.push_back("server.listen: keys and code travel unencrypted to " + text
                    + "; use https:// unless something in front of it does");
  }
  return out;
}

} // namespace vivarium
