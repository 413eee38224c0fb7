// SPDX-License-Identifier: Apache-2.0
#include "daemon/doctor.hpp"

#include <algorithm>
#include <ostream>

namespace vivarium {

bool print_facts(std::ostream& out, const std::vector<sandbox::host_fact>& facts) {
  bool complete = true;
  for (const auto& fact : facts) {
    complete = complete && (fact.present || !fact.required);
    out << (fact.present ? "ok       " : fact.required ? "MISSING  " : "absent   ") << fact.name;
    if (!fact.finding.empty())
      out << ": " << fact.finding;
    out << '\n';
    if (!fact.present && !fact.remedy.empty())
      out << "         " << (fact.required ? "" : "(optional) ") << fact.remedy << '\n';
  }
  out << (complete ? "Everything required is there.\n"
                   : "vivariumd will refuse to start: a required layer is missing.\n");
  return complete;
}

status require_layers(const std::vector<sandbox::host_fact>& facts,
                      const std::vector<std::string>& accepted) {
  std::string missing;
  for (const auto& fact : facts) {
    if (fact.present || !fact.required
        || std::find(accepted.begin(), accepted.end(), fact.name) != accepted.end())
      continue;
    missing += "\n  " + fact.name + ": " + fact.finding;
    if (!fact.remedy.empty())
      missing += "\n    " + fact.remedy;
  }
  if (missing.empty())
    return done{};
  return error{errc::sandbox_unavailable,
               "this machine lacks layers of the sandbox that are required:" + missing
                   + "\nMend them, or accept the loss knowingly by naming them in "
                     "sandbox.allow_degraded of the configuration."};
}

} // namespace vivarium
