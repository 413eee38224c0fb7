// SPDX-License-Identifier: Apache-2.0
#include "daemon/doctor.hpp"

#include <array>
#include <cstdio>
#include <memory>

// What the doctor says of the environments that come with the daemon.
namespace vivarium {

namespace {

std::string first_part(const std::string& module) {
  return module.substr(0, module.find('.'));
}

/// Asks the interpreter which of the modules it does not find. Empty when it finds all, or nothing
/// can be asked.
std::string missing(const environment_settings& what) {
  std::string names;
  for (const auto& one : what.preload)
    names += " " + first_part(one);
  auto command = what.python
                 + " -I -c 'import importlib.util as u, sys; print(*dict.fromkeys(n for n in "
                   "sys.argv[1:] if not u.find_spec(n)), sep=\", \")'"
                 + names + " 2>/dev/null";
  // Names of the daemon's own, and nobody else's.
  std::unique_ptr<FILE, int (*)(FILE*)> out{::popen(command.c_str(), "re"), ::pclose};
  std::string told;
  std::array<char, 512> part{};
  while (out && std::fgets(part.data(), part.size(), out.get()) != nullptr)
    told += part.data();
  while (told.ends_with('\n'))
    told.pop_back();
  return told;
}

} // namespace

std::vector<sandbox::host_fact> shipped_environments() {
  std::vector<sandbox::host_fact> out;
  for (const auto& [name, what] : default_environments()) {
    if (what.packages.empty())
      continue;
    auto lacks = missing(what);
    sandbox::host_fact fact;
    fact.name = "environment " + name;
    fact.present = lacks.empty();
    fact.required = false;
    fact.finding = lacks.empty() ? "" : what.python + " lacks " + lacks;
    fact.remedy = lacks.empty() ? "" : "install " + what.packages;
    out.push_back(std::move(fact));
  }
  return out;
}

} // namespace vivarium
