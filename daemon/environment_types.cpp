// SPDX-License-Identifier: Apache-2.0
#include "daemon/environment_types.hpp"

#include "sandbox/shared_dir.hpp"

#include <algorithm>
#include <string_view>

namespace vivarium {

namespace {

error wrong(std::string what) {
  return error{errc::invalid_argument, std::move(what)};
}

bool is_plain(std::string_view text) noexcept {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

bool is_ascii(std::string_view text) noexcept {
  return is_plain(text) && std::none_of(text.begin(), text.end(), [](char c) {
           return static_cast<unsigned char>(c) >= 0x80;
         });
}

bool is_path(std::string_view text) noexcept {
  return text.starts_with('/') && is_plain(text) && text.size() < 4'096;
}

bool is_module_name(std::string_view name) noexcept {
  return !name.empty() && name.size() <= 200 && name.front() != '.' && name.back() != '.'
         && std::all_of(name.begin(), name.end(), [](char c) {
              auto byte = static_cast<unsigned char>(c);
              return byte >= 0x80 || std::isalnum(byte) != 0 || c == '_' || c == '.';
            });
}

// The builder reads them as the packaging standards say; this is what would make an installer do
// something else than install a package by its name. Of "${NAME}" pip makes what the environment
// has, and it ends lines where Unicode does: no requirement needs a dollar, or more than ASCII.
status check_requirement(const std::string& text) {
  if (text.empty() || text.size() > most_requirement_bytes || !is_ascii(text) || text.front() == '-'
      || text.find("://") != std::string::npos || text.find_first_of("\\$") != std::string::npos)
    return wrong("\"" + text.substr(0, 100)
                 + "\" is not a plain requirement: options, URLs and paths are not taken");
  return done{};
}

status check_recipe(const environment_recipe& what) {
  if (what.requirements.size() > most_requirements)
    return wrong("there are more than " + std::to_string(most_requirements) + " requirements");
  for (const auto& text : what.requirements)
    if (auto ok = check_requirement(text); !ok)
      return ok;
  if (what.pyproject.size() > most_spec_bytes || what.lock.size() > most_spec_bytes)
    return wrong("a pyproject, and a lock, are no longer than 1 MiB");
  if (!what.python.empty() && !is_path(what.python))
    return wrong("`python` is the absolute path of an interpreter");
  if (!what.wheels.empty() && !is_path(what.wheels))
    return wrong("the directory of wheels has an absolute path");
  if (!what.index_url.empty() && !what.index_url.starts_with("https://")
      && !what.index_url.starts_with("http://"))
    return wrong("the URL of an index begins with https:// or http://");
  if (!what.extras.empty() && what.pyproject.empty())
    return wrong("`extras` are those of a pyproject; in a requirement they are written "
                 "package[extra]");
  if (!is_plain(what.index_url) || !std::all_of(what.extras.begin(), what.extras.end(), is_plain))
    return wrong("a control character is in `index_url` or `extras`");
  return done{};
}

} // namespace

status check_spec(const environment_spec& what) {
  auto kinds = (what.interpreter.empty() ? 0 : 1) + (what.virtual_environment.empty() ? 0 : 1)
               + (what.recipe ? 1 : 0);
  if (kinds != 1)
    return wrong("an environment is exactly one of `interpreter`, `virtual_environment`, "
                 "`requirements` and `pyproject`");
  for (const auto* path : {&what.interpreter, &what.virtual_environment})
    if (!path->empty() && !is_path(*path))
      return wrong("\"" + *path + "\" is not an absolute path");
  if (what.recipe)
    if (auto ok = check_recipe(*what.recipe); !ok)
      return ok;
  if (what.preload.size() > most_requirements || what.import_paths.size() > 64
      || what.variables.size() > 256)
    return wrong("there are too many of `preload`, `import_paths` or `environment_variables`");
  for (const auto& name : what.preload)
    if (!is_module_name(name))
      return wrong("`preload`: \"" + name.substr(0, 100) + "\" is not the name of a module");
  for (const auto& path : what.import_paths)
    if (auto ok = sandbox::check_shared_dir(path); !ok && !path.starts_with("/usr/"))
      return wrong("`import_paths`: " + ok.why().detail);
  if (what.init.size() > most_spec_bytes)
    return wrong("an init script is no longer than 1 MiB");
  for (const auto& [name, value] : what.variables)
    if (name.empty() || name.find('=') != std::string::npos || name.find('\0') != std::string::npos
        || value.find('\0') != std::string::npos || name.size() + value.size() > 65'536)
      return wrong("`environment_variables`: a name is not empty and has no '=', and neither name "
                   "nor value has NUL");
  return done{};
}

} // namespace vivarium
