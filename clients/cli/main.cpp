// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/commands.hpp"
#include "clients/cli/duration.hpp"
#include "clients/cli/show.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <cstdlib>
#include <iostream>
#include <string>

using namespace vivarium;
using namespace vivarium::cli;

namespace {

/// What the command line holds.
struct arguments {
  std::string server_url;
  std::string timeout;
  std::string cpu;
  std::string subject; ///< The source, file or session of the command.
  run_options how;
};

void add_run_options(CLI::App& command, arguments& args) {
  command.add_option("--session", args.how.session,
                     "Name of a session, made on first use, or id of one that exists; without it "
                     "the session ends with the command");
  command.add_option("--environment", args.how.environment, "Environment of a new session");
  command.add_option("--timeout", args.timeout, "Deadline, e.g. 100ms, 2s, 1m");
  command.add_option("--cpu", args.cpu, "Budget of CPU time, e.g. 500ms");
}

status read_durations(arguments& args) {
  const std::pair<const std::string*, std::chrono::milliseconds*> pairs[] = {
      {&args.timeout, &args.how.timeout}, {&args.cpu, &args.how.cpu}};
  for (auto [text, out] : pairs) {
    if (text->empty())
      continue;
    auto parsed = parse_duration(*text);
    if (!parsed)
      return parsed.why();
    *out = *parsed;
  }
  return done{};
}

int dispatch(const CLI::App& app, arguments& args) {
  if (app.got_subcommand("version")) {
    std::cout << "vivarium " VIVARIUM_VERSION "\n";
    return exit_ok;
  }
  if (auto read = read_durations(args); !read)
    return show_failure(read.why());
  auto where = choose_address(args.server_url);
  if (!where)
    return show_failure(where.why());
  const char* key = std::getenv("VIVARIUM_API_KEY"); // NOLINT(concurrency-mt-unsafe)
  const server to{*where, key == nullptr ? "" : key};
  if (app.got_subcommand("eval"))
    return eval_command(to, args.how, args.subject);
  if (app.got_subcommand("run"))
    return run_command(to, args.how, args.subject);
  if (app.got_subcommand("repl"))
    return repl_command(to, args.how);
  if (app.got_subcommand("sessions"))
    return sessions_command(to);
  if (app.got_subcommand("close"))
    return close_command(to, args.subject);
  return health_command(to);
}

} // namespace

int main(int argc, char** argv) {
  arguments args;
  CLI::App app{"Evaluates Python in the sandboxed sessions of a vivariumd", "vivarium"};
  app.add_option("--server", args.server_url,
                 "http://HOST:PORT, https://HOST:PORT or unix:///PATH; else VIVARIUM_URL, else the "
                 "default socket, else http://127.0.0.1:7717");
  app.require_subcommand(1);
  app.fallthrough();

  auto* eval = app.add_subcommand("eval", "Evaluates source and prints the repr of its value");
  add_run_options(*eval, args);
  eval->add_flag("--json", args.how.json, "Print the value as JSON");
  eval->add_option("SOURCE", args.subject, "Python source; - reads it from stdin")->required();
  auto* run = app.add_subcommand("run", "Runs a file, with live output; Ctrl-C cancels it");
  add_run_options(*run, args);
  run->add_option("FILE", args.subject, "Python file; - reads it from stdin")->required();
  auto* repl = app.add_subcommand("repl", "Reads, evaluates and prints in one session");
  add_run_options(*repl, args);
  app.add_subcommand("sessions", "Lists the live sessions");
  auto* close = app.add_subcommand("close", "Ends a session");
  close->add_option("NAME", args.subject, "Name or id of the session")->required();
  app.add_subcommand("version", "Prints the version of this command");
  app.add_subcommand("health", "Tells whether the daemon is ready");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& why) {
    return app.exit(why) == 0 ? exit_ok : exit_usage;
  }
  return dispatch(app, args);
}
