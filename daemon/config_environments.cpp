// SPDX-License-Identifier: Apache-2.0
#include "daemon/config_environments.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>

namespace vivarium {

namespace {

constexpr std::int64_t mib = 1 << 20;
constexpr std::int64_t second = 1'000;
constexpr std::int64_t hour = 3'600 * second;

void take_installer(table_reader& in, installer_choice& into) {
  in.take_word("installer", {"auto", "pip", "uv"},
               [&](std::size_t i) { into = static_cast<installer_choice>(i); });
}

/// A table of paths, each "read" or "write".
void read_dirs(table_reader in, std::vector<sandbox::shared_dir>& into) {
  if (in.raw() == nullptr)
    return;
  for (const auto& [key, node] : *in.raw()) {
    sandbox::shared_dir one{std::string{key.str()}};
    in.take_word(key.str(), {"read", "write"}, [&](std::size_t i) { one.writable = i == 1; });
    if (auto ok = sandbox::check_shared_dir(one.path); !ok)
      in.complain(key.str(), ok.why().detail);
    into.push_back(std::move(one));
  }
  if (into.size() > sandbox::most_shared_dirs)
    in.complain("", "has more than " + std::to_string(sandbox::most_shared_dirs) + " directories");
  in.finish();
}

void read_variables(table_reader in, environment_settings& into) {
  if (in.raw() == nullptr)
    return;
  for (const auto& [key, node] : *in.raw()) {
    std::string name{key.str()};
    std::string text;
    in.take(name, text);
    into.variables.emplace_back(std::move(name), std::move(text));
  }
  in.finish();
}

/// Text of a file that the configuration names, "" when it names none.
std::string take_file(table_reader& in, std::string_view key) {
  std::string path;
  in.take(key, path);
  if (path.empty())
    return {};
  std::ifstream file{path, std::ios::binary};
  std::string text{std::istreambuf_iterator<char>{file}, {}};
  if (path.front() != '/' || !file || text.empty())
    in.complain(key, "must be the absolute path of a file that can be read");
  in.note_content(key, text);
  return text;
}

void read_recipe(table_reader& in, const build_settings& usual, environment_settings& into) {
  environment_recipe what;
  what.python = usual.python;
  what.installer = usual.installer;
  what.timeout = usual.timeout;
  in.take("requirements", what.requirements);
  what.pyproject = take_file(in, "pyproject");
  what.lock = take_file(in, "lock");
  in.take("extras", what.extras);
  take_installer(in, what.installer);
  in.take("index_url", what.index_url);
  in.take("wheels", what.wheels);
  if (what.index_url.empty() && what.wheels.empty()) {
    what.index_url = usual.index_url;
    what.wheels = usual.wheels;
  }
  in.take("allow_source_builds", what.sources);
  in.take_duration("build_timeout", what.timeout, {second, 24 * hour});
  bool has_python = in.raw()->contains("python");
  bool is_venv = in.raw()->contains("venv");
  bool lists = in.raw()->contains("requirements");
  bool builds = lists || !what.pyproject.empty();
  if (lists && !what.pyproject.empty())
    in.complain("pyproject", "and requirements exclude each other");
  if (is_venv && (builds || has_python))
    in.complain("venv", "is there as it is: no python, requirements and pyproject go with it");
  if (!builds) {
    for (const char* key : {"lock", "extras", "installer", "index_url", "wheels",
                            "allow_source_builds", "build_timeout"})
      if (in.raw()->contains(key))
        in.complain(key, "is for what is built: from requirements or a pyproject");
    return;
  }
  if (has_python)
    what.python = into.python;
  into.eager = false; // Nobody waits for a build to start the daemon.
  into.recipe = std::move(what);
}

void check(table_reader& in, const environment_settings& what) {
  if (!what.python.starts_with('/'))
    in.complain("python", "must be an absolute path");
  if (!what.wrapper.empty() && !what.wrapper.front().starts_with('/'))
    in.complain("wrapper", "must begin with the absolute path of a program");
  environment_spec as;
  if (what.recipe)
    as.recipe = what.recipe;
  else
    as.interpreter = what.python.starts_with('/') ? what.python : "/usr/bin/python3";
  as.preload = what.preload;
  as.import_paths = what.import_paths;
  as.variables = what.variables;
  as.init = what.init;
  if (auto ok = check_spec(as); !ok)
    in.complain("", ok.why().detail);
}

} // namespace

void read_builds(table_reader in, build_settings& into) {
  in.take("python", into.python);
  if (!into.python.starts_with('/'))
    in.complain("python", "must be an absolute path");
  in.take("index_url", into.index_url);
  in.take("wheels", into.wheels);
  if (!into.wheels.empty() && !into.wheels.starts_with('/'))
    in.complain("wheels", "must be the absolute path of a directory");
  take_installer(in, into.installer);
  in.take_duration("timeout", into.timeout, {second, 24 * hour});
  in.take_count("concurrent", into.concurrent, {1, 64});
  in.take_size("bytes", into.bytes, {mib, 1024 * 1024 * mib});
  in.finish();
}

void read_environments(table_reader in, config& into) {
  in.each_named([&](const std::string& name, table_reader& one) {
    auto& environment = into.core.environments[name];
    one.take("python", environment.python);
    std::string venv;
    one.take("venv", venv);
    if (!venv.empty())
      environment.python = venv + "/bin/python3";
    one.take("preload", environment.preload);
    one.take("wrapper", environment.wrapper);
    one.take("eager", environment.eager);
    one.take("init", environment.init);
    one.take("import_paths", environment.import_paths);
    one.take_word("processes", {"none", "children"},
                  [&](std::size_t i) { environment.processes = static_cast<process_mode>(i); });
    read_dirs(one.below("dirs"), environment.dirs);
    read_variables(one.below("environment_variables"), environment);
    read_recipe(one, into.builds, environment);
    check(one, environment);
    if (name == "default" && environment.recipe)
      one.complain("requirements", "are not for the default environment, which has to be there "
                                   "when the daemon starts");
  });
}

std::map<std::string, environment_settings> default_environments() {
  environment_settings standard;
  standard.preload = {"json",     "re",         "math",   "collections", "itertools", "functools",
                      "datetime", "random",     "string", "dataclasses", "enum",      "typing",
                      "decimal",  "statistics", "base64", "hashlib",     "textwrap",  "io"};
  environment_settings data;
  data.preload = {"numpy", "pandas", "matplotlib", "matplotlib.pyplot"};
  data.eager = false;
  data.packages = "Debian's python3-numpy, python3-pandas and python3-matplotlib";
  environment_settings web;
  web.preload = {"json",
                 "re",
                 "datetime",
                 "typing",
                 "asyncio",
                 "sqlite3",
                 "fastapi",
                 "fastapi.responses",
                 "fastapi.templating",
                 "pydantic",
                 "starlette.applications",
                 "starlette.staticfiles",
                 "starlette.websockets",
                 "starlette.middleware.cors",
                 "anyio._backends._asyncio",
                 "jinja2",
                 "markdown",
                 "multipart",
                 "uuid",
                 "secrets",
                 "html",
                 "urllib.parse"};
  web.eager = false;
  web.packages = "Debian's python3-fastapi, python3-jinja2, python3-markdown and python3-multipart";
  return {{"default", standard}, {"data", data}, {"web", web}};
}

} // namespace vivarium
