// SPDX-License-Identifier: Apache-2.0
#include "daemon/options.hpp"

#include "daemon/version.hpp"

#include <CLI/CLI.hpp>

namespace vivarium {

parsed_options parse_options(int argc, char** argv) {
  parsed_options out;
  auto& chosen = out.chosen;
  bool check = false;
  bool attack = false;
  CLI::App app{"Vivarium: runs untrusted Python in sandboxed worker processes", "vivariumd"};
  app.set_version_flag("--version", std::string{version});
  app.add_option("--config", chosen.config, "TOML file (default: /etc/vivarium/vivarium.toml)");
  app.add_option("--listen", chosen.listen,
                 "host:port, https://host:port or unix:///path; may be repeated");
  app.add_option("--port-file", chosen.port_file, "write the first TCP port there once ready");
  app.add_flag("--check", check, "check the configuration and exit");
  auto* doctor = app.add_subcommand("doctor", "show which sandbox layers this machine offers");
  doctor->fallthrough(); // So that --config may stand behind it.
  doctor->add_flag("--attack", attack, "attack a sandbox of its own; 0 when all of it held");
  doctor->add_flag("--json", chosen.json, "print one JSON object");
  app.require_subcommand(0, 1);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    out.exit_code = app.exit(e) == 0 ? 0 : 2;
  }
  if (check)
    chosen.what = options::action::check;
  if (doctor->parsed())
    chosen.what = attack ? options::action::attack : options::action::doctor;
  return out;
}

} // namespace vivarium
