// SPDX-License-Identifier: Apache-2.0
#include "daemon/options.hpp"

#include "daemon/version.hpp"

#include <CLI/CLI.hpp>

namespace vivarium {

namespace {

/// Adds `keys` and what is below it.
CLI::App* add_keys(CLI::App& app, keys_request& asked) {
  using action = keys_request::action;
  auto* keys = app.add_subcommand("keys", "make, list, rotate and revoke API keys");
  keys->add_option("--file", asked.file, "key file (default: auth.keys of the configuration)");
  keys->require_subcommand(1);
  keys->fallthrough();
  auto below = [&](const char* name, const char* help, action what) {
    auto* made = keys->add_subcommand(name, help);
    made->callback([&asked, what] { asked.what = what; });
    return made;
  };
  auto* create = below("create", "make a key; prints it, this once", action::create);
  create->add_option("--tenant", asked.tenant, "whose key it is")->required();
  create->add_option("--role", asked.role, "client or admin (default: client)");
  create->add_option("--expires", asked.expires, "how long it lasts, e.g. 30d (default: for ever)");
  below("list", "list the keys, without their secrets", action::list);
  auto* rotate = below("rotate", "give a key a new secret; prints it, this once", action::rotate);
  rotate->add_option("ID", asked.id, "id of the key")->required();
  rotate->add_option("--grace", asked.grace, "how long the old secret still counts, e.g. 1h");
  auto* revoke = below("revoke", "end a key, at once", action::revoke);
  revoke->add_option("ID", asked.id, "id of the key")->required();
  return keys;
}

} // namespace

parsed_options parse_options(int argc, char** argv) {
  parsed_options out;
  auto& chosen = out.chosen;
  bool check = false;
  bool attack = false;
  bool reference = false;
  CLI::App app{"Vivarium: runs untrusted Python in sandboxed worker processes", "vivariumd"};
  app.set_version_flag("--version", std::string{version});
  app.add_option("--config", chosen.config, "TOML file (default: /etc/vivarium/vivarium.toml)");
  app.add_option("--listen", chosen.listen,
                 "host:port, https://host:port or unix:///path; may be repeated");
  app.add_option("--port-file", chosen.port_file, "write the first TCP port there once ready");
  app.add_option("--state-dir", chosen.state_dir, "where to keep what outlives the daemon");
  app.add_flag("--check", check, "check the configuration and exit");
  app.add_flag("--print-config-reference", reference,
               "print what is known of each key of the configuration, as JSON");
  auto* doctor = app.add_subcommand("doctor", "show which sandbox layers this machine offers");
  doctor->fallthrough(); // So that --config may stand behind it.
  doctor->add_flag("--attack", attack, "attack a sandbox of its own; 0 when all of it held");
  doctor->add_flag("--json", chosen.json, "print one JSON object");
  auto* keys = add_keys(app, chosen.keys);
  app.require_subcommand(0, 1);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    out.exit_code = app.exit(e) == 0 ? 0 : 2;
  }
  if (check)
    chosen.what = options::action::check;
  if (reference)
    chosen.what = options::action::reference;
  if (doctor->parsed())
    chosen.what = attack ? options::action::attack : options::action::doctor;
  if (keys->parsed())
    chosen.what = options::action::keys;
  return out;
}

} // namespace vivarium
