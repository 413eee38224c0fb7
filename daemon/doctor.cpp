// SPDX-License-Identifier: Apache-2.0
#include "daemon/doctor.hpp"

#include "bridge/natural.hpp"

#include <algorithm>
#include <ostream>

namespace vivarium {

namespace {

void append_member(std::string& out, std::string_view name, std::string_view value) {
  out += out.ends_with('{') ? "\"" : ",\"";
  out.append(name).append("\":");
  bridge::append_json_string(out, value);
}

std::string as_json(const std::vector<sandbox::host_fact>& facts, bool complete) {
  std::string out = R"({"complete":)";
  out += complete ? "true" : "false";
  out += R"(,"facts":[)";
  for (const auto& fact : facts) {
    std::string one = "{";
    append_member(one, "name", fact.name);
    append_member(one, "finding", fact.finding);
    append_member(one, "remedy", fact.remedy);
    one += fact.present ? R"(,"present":true)" : R"(,"present":false)";
    one += fact.required ? R"(,"required":true)" : R"(,"required":false)";
    out += (out.ends_with('[') ? "" : ",") + one + "}";
  }
  return out + "]}\n";
}

} // namespace

bool print_facts(std::ostream& out, const std::vector<sandbox::host_fact>& facts,
                 report_form form) {
  bool complete = std::all_of(facts.begin(), facts.end(),
                              [](const auto& fact) { return fact.present || !fact.required; });
  if (form == report_form::json) {
    out << as_json(facts, complete);
    return complete;
  }
  for (const auto& fact : facts) {
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
  bool all_dispensable = true;
  for (const auto& fact : facts) {
    if (fact.present || !fact.required
        || std::find(accepted.begin(), accepted.end(), fact.name) != accepted.end())
      continue;
    missing += "\n  " + fact.name + ": " + fact.finding;
    all_dispensable = all_dispensable && fact.dispensable;
    if (!fact.remedy.empty())
      missing += "\n    " + fact.remedy;
  }
  if (missing.empty())
    return done{};
  return error{errc::sandbox_unavailable,
               "this machine lacks layers of the sandbox that are required:" + missing
                   + (all_dispensable
                          ? "\nMend them, or accept the loss knowingly by naming them in "
                            "sandbox.allow_degraded of the configuration."
                          : "\nMend them: not all of them can be left out.")};
}

} // namespace vivarium
