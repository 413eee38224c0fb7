// SPDX-License-Identifier: Apache-2.0
#include "daemon/config_tenants.hpp"

#include "proto/ids.hpp"

namespace vivarium {

namespace {

constexpr std::int64_t mib = 1 << 20;
constexpr std::int64_t day = 86'400'000;
constexpr std::int64_t many = 1'000'000;

void read_role(table_reader& in, role& into) {
  in.take_word("role", {"client", "admin"}, [&](std::size_t i) { into = static_cast<role>(i); });
}

void read_certificates(table_reader in, config& into) {
  if (in.raw() == nullptr)
    return;
  for (const auto& [key, node] : *in.raw()) {
    auto one = in.named(key.str());
    certificate_rule rule;
    one.take("subject", rule.subject);
    one.take("name", rule.name);
    one.take("tenant", rule.tenant);
    read_role(one, rule.what);
    if (rule.subject.empty() == rule.name.empty())
      one.complain("subject", "either subject or name says which certificate is meant");
    if (auto ok = check_name(rule.tenant); !ok)
      one.complain("tenant", ok.why().detail);
    if (into.tls.client_ca.empty())
      one.complain("subject", "needs tls.client_ca");
    one.finish();
    into.auth.certificates.push_back(std::move(rule));
  }
}

/// A list of names of sections of the configuration; absent stays absent.
template <class Sections>
void read_names(table_reader& in, std::string_view key, const Sections& of,
                std::optional<std::set<std::string>>& into) {
  std::vector<std::string> names;
  in.take(key, names);
  if (in.raw() == nullptr || !in.raw()->contains(key))
    return;
  for (const auto& name : names)
    if (!of.contains(name))
      in.complain(key, "\"" + name + "\" is not in the configuration");
  into.emplace(names.begin(), names.end());
}

/// Names of environments, which an administrator may also register while the daemon runs.
void read_environment_names(table_reader& in, std::optional<std::set<std::string>>& into) {
  std::vector<std::string> names;
  in.take("environments", names);
  if (in.raw() == nullptr || !in.raw()->contains("environments"))
    return;
  for (const auto& name : names)
    if (!check_name(name))
      in.complain("environments", "\"" + name + "\" is not the name of an environment");
  into.emplace(names.begin(), names.end());
}

void read_tenant_limits(table_reader& in, const config& of, const std::string& tenant,
                        tenant_settings& into) {
  auto one = in.below("limits");
  if (one.raw() == nullptr)
    return;
  auto& own = into.limits_max.emplace();
  own.section = "tenants." + tenant + ".limits";
  read_maxima(one, own);
  // Workers are made for the widest limits that any session may have.
  for (const auto& fact : all_limits())
    if (const auto& most = own[fact.which];
        most && *most > of.core.limits_max[fact.which].value_or(of.core.limits[fact.which]))
      one.complain(fact.key, "is more than limits.max." + std::string{fact.key});
  one.finish();
}

void read_routes(table_reader in, const config& of, tenant_settings& into) {
  if (in.raw() == nullptr)
    return;
  for (const auto& [key, node] : *in.raw()) {
    std::string from{key.str()};
    auto& to = into.routes[from];
    in.take(from, to);
    if (!of.core.session_pools.contains(to))
      in.complain(from, "there is no [pools." + to + "]");
  }
  in.finish();
}

void read_tenant(table_reader& in, const config& of, const std::string& name,
                 tenant_settings& into) {
  in.take_count("sessions", into.sessions, {1, many});
  in.take_count("executions", into.executions, {1, many});
  in.take_count("connections", into.connections, {1, many});
  in.take_count("requests_per_second", into.requests_per_second, {1, many});
  in.take_count("burst", into.burst, {1, many});
  in.take_size("memory", into.memory_bytes, {16 * mib, std::int64_t{1} << 50});
  in.take_count("cpu_weight", into.cpu_weight, {1, 10'000});
  in.take_size("group_memory", into.group_memory, {64 * mib, std::int64_t{1} << 50});
  in.take_count("group_pids", into.group_pids, {16, 4'000'000});
  in.take_size("volumes_bytes", into.volumes_bytes, {4'096, std::int64_t{1} << 50});
  in.take_word("processes", {"none", "children"},
               [&](std::size_t i) { into.processes = static_cast<process_mode>(i); });
  in.take("trust_group", into.trust_group);
  in.take("warm", into.warm);
  in.take("register_environments", into.register_environments);
  in.take("timeout_profile", into.timeout_profile);
  if (!into.timeout_profile.empty() && into.timeout_profile != "default"
      && !of.core.timeout_profiles.contains(into.timeout_profile))
    in.complain("timeout_profile", "there is no [timeouts." + into.timeout_profile + "]");
  in.take_duration("timeout", into.timeout, {1, 365 * day});
  in.take_duration("max_timeout", into.max_timeout, {1, 365 * day});
  read_environment_names(in, into.environments);
  // A way out is given by name: nobody gets one because it was made for somebody else.
  if (of.auth.asked()) {
    into.egress.emplace();
    into.databases.emplace();
  }
  read_names(in, "egress", of.core.egress, into.egress);
  read_names(in, "databases", of.core.databases, into.databases);
  auto bytes = no_limit;
  in.take_size("store_bytes", bytes, {0, std::int64_t{1} << 50});
  if (bytes != no_limit)
    into.store_bytes = bytes;
  auto keys = no_limit;
  in.take_count("store_keys", keys, {0, 1'000'000'000});
  if (keys != no_limit)
    into.store_keys = keys;
  read_tenant_limits(in, of, name, into);
  read_routes(in.below("routes"), of, into);
  if (!into.trust_group.empty() && !check_name(into.trust_group))
    in.complain("trust_group", check_name(into.trust_group).why().detail);
  if (into.burst > 0 && into.requests_per_second == 0)
    in.complain("burst", "needs requests_per_second");
  auto most = into.max_timeout.count() > 0 ? into.max_timeout : of.core.max_timeout;
  if (into.timeout > most)
    in.complain("timeout", "must not be more than max_timeout");
}

} // namespace

std::map<std::string, timeout_profile> default_timeout_profiles() {
  using namespace std::chrono_literals;
  return {{"streaming", {2min, 30min}}, {"ml_inference", {10min, 30min}}, {"batch_job", {}}};
}

void read_timeouts(table_reader in, config& into) {
  if (in.raw() == nullptr)
    return;
  for (const auto& [key, node] : *in.raw()) {
    std::string name{key.str()};
    auto one = in.named(name);
    if (name == "default")
      in.complain(name, "is limits.timeout");
    auto& profile = into.core.timeout_profiles[name];
    one.take_duration("call", profile.call, {0, 365 * day});
    one.take_duration("stream", profile.stream, {0, 365 * day});
    one.finish();
  }
}

void read_auth(table_reader in, config& into) {
  in.take("keys", into.auth.keys);
  if (!into.auth.keys.empty() && (into.auth.keys.front() != '/' || into.auth.keys.back() == '/'))
    in.complain("keys", "must be the absolute path of a file");
  read_certificates(in.below("certificates"), into);
  in.finish();
}

void read_tenants(table_reader in, config& into) {
  in.each_named([&](const std::string& name, table_reader& one) {
    read_tenant(one, into, name, into.core.tenants[name]);
  });
  bool named = in.raw() != nullptr && in.raw()->contains(local_tenant);
  if (into.auth.asked() && !named)
    into.core.tenants.erase(local_tenant); // Nobody is it without a word of the operator.
}

} // namespace vivarium
