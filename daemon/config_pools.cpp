// SPDX-License-Identifier: Apache-2.0
#include "daemon/config_pools.hpp"

#include "proto/ids.hpp"

#include <algorithm>
#include <cctype>

namespace vivarium {

namespace {

constexpr std::int64_t most_sessions = 1'000;
constexpr std::int64_t most_queue = 1'000'000;
constexpr std::int64_t longest_age = std::int64_t{365} * 86'400'000;
constexpr std::int64_t most_executions = 1'000'000'000;

bool is_module(std::string_view name) {
  bool start = true; // of a part between dots
  for (char c : name) {
    bool digit = c >= '0' && c <= '9';
    if (c == '.'
            ? start
            : !(std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_' || (digit && !start)))
      return false;
    start = c == '.';
  }
  return !start;
}

/// Modules are imported after what the source does, which may say where they are found.
void read_init(table_reader& in, session_pool_settings& into) {
  in.take("init", into.init);
  std::vector<std::string> imports;
  in.take("imports", imports);
  for (const auto& name : imports) {
    if (!is_module(name))
      in.complain("imports", "\"" + name + "\" is not the name of a module");
    else
      into.init += (into.init.empty() ? "import " : "\nimport ") + name;
  }
}

void read_pool(table_reader& in, const config& of, session_pool_settings& into) {
  in.take_count("sessions", into.sessions, {1, most_sessions});
  in.take_count("queue", into.queue, {0, most_queue});
  std::vector<std::string> tenants;
  in.take("tenants", tenants);
  into.tenants.insert(tenants.begin(), tenants.end());
  in.take("trust_group", into.trust_group);
  if (!into.trust_group.empty() && !into.tenants.empty())
    in.complain("trust_group", "and tenants exclude each other: a pool is shared or it is not");
  in.take("eager", into.eager);
  in.take_duration("max_age", into.max_age, {0, longest_age});
  in.take_count("max_executions", into.max_executions, {0, most_executions});
  in.take("environment", into.environment);
  if (!into.environment.empty() && !of.core.environments.contains(into.environment))
    in.complain("environment", "there is no [environments." + into.environment + "]");
  in.take("egress", into.egress);
  if (!into.egress.empty() && !of.core.egress.contains(into.egress))
    in.complain("egress", "there is no [egress." + into.egress + "]");
  in.take_word("processes", {"none", "children"},
               [&](std::size_t i) { into.processes = static_cast<process_mode>(i); });
  read_init(in, into);
  auto limits = in.below("limits");
  read_session_limits(limits, of, into.limits);
  limits.finish();
}

} // namespace

void read_session_limits(table_reader& in, const config& of, limits_request& into) {
  limit_maxima wanted;
  read_maxima(in, wanted);
  for (const auto& fact : all_limits()) {
    const auto& value = wanted[fact.which];
    if (!value)
      continue;
    if (*value > of.core.limits_max[fact.which].value_or(of.core.limits[fact.which]))
      in.complain(fact.key, "is more than limits.max." + std::string{fact.key});
    into[fact.which] = *value;
  }
}

void read_session_pools(table_reader in, config& into) {
  in.each_named([&](const std::string& name, table_reader& one) {
    read_pool(one, into, into.core.session_pools[name]);
  });
}

void check_session_pools(table_reader in, const config& of) {
  for (const auto& [name, pool] : of.core.session_pools) {
    auto one = in.below(name);
    for (const auto& tenant : pool.tenants)
      if (!of.core.tenants.contains(tenant))
        one.complain("tenants", "there is no [tenants." + tenant + "]");
    const auto& all = of.core.tenants;
    if (!pool.trust_group.empty() && std::none_of(all.begin(), all.end(), [&](const auto& tenant) {
          return tenant.second.trust_group == pool.trust_group
                 || (tenant.second.trust_group.empty() && tenant.first == pool.trust_group);
        }))
      one.complain("trust_group", "no tenant is in \"" + pool.trust_group + "\"");
  }
}

} // namespace vivarium
