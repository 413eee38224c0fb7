// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/environments.hpp"

#include "clients/cli/duration.hpp"
#include "clients/cli/show.hpp"

#include <vivarium/client.hpp>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <sstream>
#include <system_error>

namespace vivarium::cli {

namespace {

constexpr const char* states[] = {"unspecified", "declared", "building", "ready", "failed"};

const char* name_of(environment_state state) {
  const auto number = static_cast<std::size_t>(state);
  return number < std::size(states) ? states[number] : "unknown";
}

std::string read_text(const std::string& path) {
  if (path.empty())
    return {};
  std::ifstream in{path, std::ios::binary};
  std::string text{std::istreambuf_iterator<char>{in}, std::istreambuf_iterator<char>{}};
  if (!in || in.bad())
    throw invalid_argument_error{"cannot read " + path + ": "
                                 + std::generic_category().message(errno)};
  return text;
}

/// The requirements of a file: its lines without comments.
void add_lines(std::vector<std::string>& into, const std::string& path) {
  std::istringstream lines{read_text(path)};
  for (std::string line; std::getline(lines, line);) {
    if (const auto comment = line.find(" #"); comment != std::string::npos)
      line.erase(comment);
    const auto from = line.find_first_not_of(" \t\r");
    if (from == std::string::npos || line[from] == '#')
      continue;
    into.push_back(line.substr(from, line.find_last_not_of(" \t\r") + 1 - from));
  }
}

environment_spec spec_of(const environment_order& how) {
  environment_spec out;
  out.interpreter = how.interpreter;
  out.virtual_environment = how.virtual_environment;
  out.requirements = how.requirements;
  for (const auto& path : how.requirement_files)
    add_lines(out.requirements, path);
  out.pyproject = read_text(how.pyproject);
  out.lock = read_text(how.lock);
  out.extras = how.extras;
  out.python = how.python;
  if (how.installer == "pip" || how.installer == "uv")
    out.installer = how.installer == "pip" ? installer::pip : installer::uv;
  else if (!how.installer.empty() && how.installer != "auto")
    throw invalid_argument_error{"--installer: expected auto, pip or uv"};
  out.index_url = how.index_url;
  out.wheel_directory = how.wheels;
  out.allow_source_builds = how.sources;
  if (!how.timeout.empty()) {
    const auto parsed = parse_duration(how.timeout);
    if (!parsed)
      throw invalid_argument_error{"--timeout: expected a number and ms, s, m or h"};
    out.build_timeout = *parsed;
  }
  out.preload = how.preload;
  out.init = read_text(how.init);
  return out;
}

void show(const environment_info& what) {
  std::printf("name      %s\nstate     %s\n", what.name.c_str(), name_of(what.state));
  const std::pair<const char*, const std::string*> rows[] = {{"id", &what.id},
                                                             {"python", &what.python},
                                                             {"version", &what.python_version},
                                                             {"platform", &what.platform_tag},
                                                             {"trouble", &what.trouble}};
  for (const auto& [label, text] : rows)
    if (!text->empty())
      std::printf("%-8s  %s\n", label, text->c_str());
  for (const auto& [name, version] : what.packages)
    std::printf("package   %s %s\n", name.c_str(), version.c_str());
}

} // namespace

int list_environments(const environment_order& how) {
  const auto found = client::connect(how.server).environments();
  std::printf("%-20s  %-9s  %-8s  %-36s  %s\n", "NAME", "STATE", "OF", "ID", "PYTHON");
  for (const auto& each : found)
    std::printf("%-20s  %-9s  %-8s  %-36s  %s\n", each.name.c_str(), name_of(each.state),
                each.configured ? "config"
                : each.own      ? "tenant"
                                : "all",
                each.id.empty() ? "-" : each.id.c_str(), each.python.c_str());
  return exit_ok;
}

int build_environment(const environment_order& how) {
  const auto on = client::connect(how.server);
  const auto spec = spec_of(how);
  const bool says_what = !spec.interpreter.empty() || !spec.virtual_environment.empty()
                         || !spec.requirements.empty() || !spec.pyproject.empty();
  if (says_what) {
    const auto made = on.register_environment(
        {.name = how.name, .spec = spec, .force = how.force, .for_all = how.for_all});
    if (made.state == environment_state::ready) {
      show(made);
      return exit_ok;
    }
  }
  for (const auto& step : on.build_environment(how.name, how.force)) {
    if (!step.environment)
      write_err(step.line + "\n");
    else if (how.lock_only)
      write_out(step.environment->lock);
    else
      show(*step.environment);
  }
  return exit_ok;
}

int verify_environment(const environment_order& how) {
  auto requirements = how.requirements;
  for (const auto& path : how.requirement_files)
    add_lines(requirements, path);
  const auto found =
      client::connect(how.server).verify_environment(how.name, requirements, how.stdlib);
  for (const auto& each : found.checks) {
    const auto& told = each.satisfied ? each.found : each.problem;
    std::printf("%-8s  %s%s%s\n", each.satisfied ? "ok" : "MISSING", each.requirement.c_str(),
                told.empty() ? "" : ": ", told.c_str());
  }
  return found.satisfied ? exit_ok : exit_python_error;
}

int show_environment(const environment_order& how) {
  const auto found = client::connect(how.server).environment(how.name);
  if (how.lock_only)
    write_out(found.lock);
  else
    show(found);
  return exit_ok;
}

int remove_environment(const environment_order& how) {
  client::connect(how.server).remove_environment(how.name);
  return exit_ok;
}

} // namespace vivarium::cli
