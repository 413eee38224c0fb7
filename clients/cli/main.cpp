// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/admin.hpp"
#include "clients/cli/commands.hpp"
#include "clients/cli/duration.hpp"
#include "clients/cli/environments.hpp"
#include "clients/cli/host.hpp"
#include "clients/cli/keys.hpp"
#include "clients/cli/once.hpp"
#include "clients/cli/show.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <CLI/Validators.hpp>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

using namespace vivarium::cli;

namespace {

/// What the command line holds.
struct command_line {
  std::array<std::string, 32> values; ///< Of a call.
  std::string timeout;
  std::string cpu;
  std::string subject; ///< The source, file, module or session of the command.
  std::string name;    ///< Of a function.
  std::string order;   ///< What to do to the store.
  bool once = false;
  run_request how;
  host_request host;
  file_request files;
  environment_order environment;
  app_request app;
  admin_order admin;
  std::string interval; ///< Of top.
  bool top_once = false;
};

void add_place_options(CLI::App& command, command_line& line) {
  command.add_option("--session", line.how.session,
                     "Name of a session, made on first use, or id of one that exists; without it "
                     "the session ends with the command");
  command.add_option("--environment", line.how.environment, "Environment of a new session");
  command.add_option("--egress", line.how.egress,
                     "Egress policy of a new session: what it may connect to");
  command.add_flag("--store", line.how.store, "A new session has the tenant's key-value store");
  command.add_option("--sql", line.how.database,
                     "Database of a new session: one of the configuration, or a URL");
  command.add_flag("--processes", line.how.children, "A new session may have processes");
  command.add_option("--timeout", line.timeout, "Deadline, e.g. 100ms, 2s, 1m");
  command.add_option("--cpu", line.cpu, "Budget of CPU time, e.g. 500ms");
  command
      .add_option("--limit", line.how.limits,
                  "Limit of a new session, e.g. memory=64MiB, cpu=10s; may be repeated")
      ->allow_extra_args(false);
  command
      .add_option("--host", line.how.functions,
                  "Function that is offered meanwhile, NAME=COMMAND as of the command host; may be "
                  "repeated")
      ->allow_extra_args(false);
  command
      .add_option("--module", line.how.modules,
                  "Module of a new session whose functions are called outside, "
                  "NAME=FUNCTION,FUNCTION...; may be repeated")
      ->allow_extra_args(false);
  command.add_option("--log-level", line.how.log_level,
                     "What a new session logs at least: debug, info, notice, warning, error, "
                     "critical");
  command.add_option("--within", line.how.within,
                     "Id of a call of the session's that this is part of answering");
  command.add_option("--namespace", line.how.space, "Name or id of a namespace of the session");
}

void add_pool_options(CLI::App& command, command_line& line) {
  command.add_option("--pool", line.how.pool, "Session pool to run in, instead of a session");
  command.add_option("--key", line.how.key,
                     "What belongs together in a pool: runs with one key share a session");
}

void add_variables(CLI::App& command, command_line& line) {
  command.add_option("--var", line.how.variables, "Variable, NAME=JSON; may be repeated")
      ->allow_extra_args(false);
}

/// Of `call`, whose arguments are many options.
class call_help : public CLI::Formatter {
public:
  std::string make_usage(const CLI::App*, std::string name) const override {
    return "Usage: " + name + " [OPTIONS] MODULE NAME [ARG...]\n";
  }
};

/// Returns false, having said so, when one is none.
bool read_durations(command_line& line) {
  const std::pair<const std::string*, std::chrono::milliseconds*> pairs[] = {
      {&line.timeout, &line.how.timeout}, {&line.cpu, &line.how.cpu}};
  for (auto [text, out] : pairs) {
    if (text->empty())
      continue;
    const auto parsed = parse_duration(*text);
    if (!parsed) {
      write_err("vivarium: duration '" + *text
                + "': expected a number and ms, s, m or h, up to a week\n");
      return false;
    }
    *out = *parsed;
  }
  return true;
}

int dispatch_files(const CLI::App& app, command_line& line) {
  line.files.server = line.how.server;
  if (app.got_subcommand("put"))
    return put_command(line.files);
  if (app.got_subcommand("get"))
    return get_command(line.files);
  if (app.got_subcommand("ls"))
    return list_command(line.files);
  if (app.got_subcommand("stat"))
    return stat_command(line.files);
  if (app.got_subcommand("mv"))
    return move_command(line.files);
  return remove_command(line.files);
}

int dispatch_environments(const CLI::App& env, command_line& line) {
  auto& how = line.environment;
  how.server = line.how.server;
  how.timeout = line.timeout;
  if (env.got_subcommand("build"))
    return build_environment(how);
  if (env.got_subcommand("verify"))
    return verify_environment(how);
  if (env.got_subcommand("show"))
    return show_environment(how);
  if (env.got_subcommand("remove"))
    return remove_environment(how);
  return list_environments(how);
}

int dispatch_app(const CLI::App& app, const command_line& line) {
  if (app.got_subcommand("boot"))
    return app_boot_command(line.how, line.subject, line.app);
  if (app.got_subcommand("url"))
    return app_url_command(line.how.server, line.subject);
  if (app.got_subcommand("close"))
    return app_close_command(line.how.server, line.subject);
  return app_list_command(line.how.server);
}

int dispatch_admin(const CLI::App& admin, command_line& line) {
  line.admin.server = line.how.server;
  line.admin.what = admin.get_subcommands().front()->get_name();
  return admin_command(line.admin);
}

int dispatch_top(const command_line& line) {
  top_order how;
  how.server = line.how.server;
  how.once = line.top_once;
  if (!line.interval.empty()) {
    const auto parsed = parse_duration(line.interval);
    if (!parsed || *parsed < std::chrono::milliseconds{100}) {
      write_err("vivarium: --interval: expected a duration of at least 100ms\n");
      return exit_usage;
    }
    how.interval = *parsed;
  }
  return top_command(how);
}

int dispatch(const CLI::App& app, command_line& line) {
  if (app.got_subcommand("version")) {
    std::cout << "vivarium " VIVARIUM_VERSION "\n";
    return exit_ok;
  }
  if (!read_durations(line))
    return exit_usage;
  if (app.got_subcommand("eval"))
    return eval_command(line.how, line.subject);
  if (app.got_subcommand("run"))
    return run_command(line.how, line.subject);
  if (app.got_subcommand("call"))
    return call_command(line.how, line.subject, line.name,
                        {line.values.begin(), std::ranges::find(line.values, std::string{})});
  if (app.got_subcommand("host")) {
    line.host.server = line.how.server;
    return host_command(line.host);
  }
  if (app.got_subcommand("stream"))
    return stream_command(line.how, line.subject);
  if (app.got_subcommand("repl"))
    return repl_command(line.how);
  if (app.got_subcommand("sessions"))
    return sessions_command(line.how.server);
  if (app.got_subcommand("namespaces"))
    return namespaces_command(line.how.server, line.subject);
  if (app.got_subcommand("start"))
    return start_command(line.how, line.subject);
  if (app.got_subcommand("wait"))
    return wait_command(line.how, line.subject);
  if (app.got_subcommand("cancel"))
    return cancel_command(line.how.server, line.subject);
  if (app.got_subcommand("jobs"))
    return jobs_command(line.how);
  if (app.got_subcommand("pools"))
    return pools_command(line.how.server);
  if (const auto* apps = app.get_subcommand("app"); apps->parsed())
    return dispatch_app(*apps, line);
  if (app.got_subcommand("send"))
    return send_command(line.how.server, line.subject, line.name);
  if (app.got_subcommand("receive"))
    return receive_command(line.how.server, line.subject);
  if (app.got_subcommand("files"))
    return dispatch_files(*app.get_subcommand("files"), line);
  if (const auto* env = app.get_subcommand("env"); *env)
    return dispatch_environments(*env, line);
  if (const auto* admin = app.get_subcommand("admin"); *admin)
    return dispatch_admin(*admin, line);
  if (app.got_subcommand("top"))
    return dispatch_top(line);
  if (app.got_subcommand("store"))
    return store_command(line.how.server, line.order, line.subject, line.name);
  if (app.got_subcommand("close"))
    return close_command(line.how.server, line.subject);
  return health_command(line.how.server);
}

void add_job_commands(CLI::App& app, command_line& line) {
  auto* start =
      app.add_subcommand("start", "Submits source, prints the id of its execution and ends");
  add_place_options(*start, line);
  add_pool_options(*start, line);
  add_variables(*start, line);
  start->add_flag("--json", line.how.json, "Have the value shown as JSON");
  start->add_flag("--detach", line.how.detach, "Nobody will wait for it; a failure is counted");
  start->add_option("SOURCE", line.subject, "Python source; - reads it from stdin")->required();
  auto* wait = app.add_subcommand("wait", "Waits for an execution and prints its value");
  wait->add_option("ID", line.subject, "Id of the execution")->required();
  wait->add_option("--timeout", line.timeout, "How long to wait; the execution goes on");
  auto* cancel = app.add_subcommand("cancel", "Cancels an execution");
  cancel->add_option("ID", line.subject, "Id of the execution")->required();
  auto* jobs = app.add_subcommand("jobs", "Lists the executions that run or are kept");
  jobs->add_option("--session", line.how.session, "Of that session only");
  app.add_subcommand("pools", "Lists the session pools");
  auto* send = app.add_subcommand("send", "Sends a message; prints how many will receive it");
  send->add_option("TO", line.subject, "Session, or name that somebody receives under")->required();
  send->add_option("JSON", line.name, "The message")->required();
  auto* receive = app.add_subcommand("receive", "Prints messages as they come, one in a line");
  receive->add_option("NAME", line.subject, "Name to receive under")->required();
}

void add_file_commands(CLI::App& app, command_line& line) {
  auto& how = line.files;
  auto* files = app.add_subcommand("files", "Works on the files of a session");
  files->require_subcommand(1);
  auto add = [&](const char* name, const char* what, bool path_required = true) {
    auto* one = files->add_subcommand(name, what);
    one->add_option("SESSION", how.session, "Name or id of the session")->required();
    auto* path = one->add_option("PATH", how.path, "Path in its workspace");
    if (path_required)
      path->required();
    return one;
  };
  add("put", "Writes a file into the workspace, whole or not at all")
      ->add_option("FILE", how.other, "File to be read; - or nothing reads stdin");
  add("get", "Reads a file of the workspace")
      ->add_option("FILE", how.other, "File to be written; - or nothing writes to stdout");
  add("ls", "Lists a directory", false)
      ->add_flag("-r,--recursive", how.recursive, "Also what is in its directories");
  add("stat", "Describes a file");
  auto* move = add("mv", "Moves a file or directory");
  move->add_option("TO", how.other, "Its new path in the workspace")->required();
  move->add_flag("-f,--replace", how.replace, "Replace a file that is there");
  add("rm", "Removes a file or directory")
      ->add_flag("-r,--recursive", how.recursive, "With all that is in it");
}

void add_environment_commands(CLI::App& app, command_line& line) {
  auto& how = line.environment;
  auto* env = app.add_subcommand("env", "Lists, builds, verifies, shows and removes environments");
  env->require_subcommand(1);
  env->add_subcommand("list", "Lists the environments that can be used");
  auto* build = env->add_subcommand(
      "build", "Declares an environment, if it says what it is, and builds it; shows the log");
  build->add_option("NAME", how.name, "Its name")->required();
  auto repeated = [](CLI::App& to, const char* name, std::vector<std::string>& into,
                     const char* what) {
    to.add_option(name, into, what)->allow_extra_args(false);
  };
  repeated(*build, "--require", how.requirements, "Package, e.g. numpy>=1.24; may be repeated");
  repeated(*build, "-r,--requirements", how.requirement_files, "File of requirements");
  build->add_option("--pyproject", how.pyproject, "File with the dependencies of a project");
  repeated(*build, "--extra", how.extras, "Optional dependencies of the project; may be repeated");
  build->add_option("--lock", how.lock, "File with the lock of an earlier build, or a uv.lock");
  build->add_option("--python", how.python, "Interpreter to build with, on the daemon's host");
  build->add_option("--interpreter", how.interpreter, "Interpreter to take as it is");
  build->add_option("--venv", how.virtual_environment, "Virtual environment to take as it is");
  build->add_option("--installer", how.installer, "auto, pip or uv");
  build->add_option("--index-url", how.index_url, "Package index");
  build->add_option("--wheels", how.wheels, "Directory of wheels on the daemon's host");
  build->add_flag("--allow-source-builds", how.sources,
                  "Build packages that have no wheel, which runs code of theirs as the daemon");
  repeated(*build, "--preload", how.preload, "Module to import ahead; may be repeated");
  build->add_option("--init", how.init, "File of Python that each session runs first");
  build->add_option("--timeout", line.timeout, "Deadline of the build");
  build->add_flag("--force", how.force, "Replace one of that name; build one that is built");
  build->add_flag("--for-all", how.for_all, "For all tenants");
  build->add_flag("--show-lock", how.lock_only, "Print its lock, and nothing else");
  auto* verify = env->add_subcommand("verify", "Tells what an environment lacks");
  verify->add_option("NAME", how.name, "Its name")->required();
  repeated(*verify, "--require", how.requirements,
           "Package; without any, what it was declared with");
  repeated(*verify, "-r,--requirements", how.requirement_files, "File of requirements");
  repeated(*verify, "--stdlib", how.stdlib, "Module of the standard library; may be repeated");
  auto* show = env->add_subcommand("show", "Shows an environment and its packages");
  show->add_option("NAME", how.name, "Its name")->required();
  show->add_flag("--show-lock", how.lock_only, "Print its lock, and nothing else");
  env->add_subcommand("remove", "Forgets an environment")
      ->add_option("NAME", how.name, "Its name")
      ->required();
}

void add_store_command(CLI::App& app, command_line& line) {
  auto* store = app.add_subcommand("store", "Reads and writes the tenant's key-value store");
  store->add_option("ORDER", line.order, "get, set, delete or list")
      ->required()
      ->check(CLI::IsMember({"get", "set", "delete", "list"}));
  store->add_option("KEY", line.subject, "The key; of list the beginning of keys");
  store->add_option("JSON", line.name, "The value, of set");
}

void add_app_commands(CLI::App& app, command_line& line) {
  auto* all = app.add_subcommand("app", "Web applications: boot, list, url, close");
  all->require_subcommand(1);
  auto* boot = all->add_subcommand("boot", "Starts an application and prints its path");
  boot->add_option("WHAT", line.subject,
                   "FILE.py or MODULE; after a colon the name of the application there")
      ->required();
  boot->add_option("--name", line.app.name, "Its name");
  boot->add_option("--host", line.app.host, "First label of a host name of its own");
  boot->add_option("--workers", line.app.workers, "Sessions that each have it");
  boot->add_flag("--public", line.app.everybody, "Everybody may ask it");
  boot->add_option("--session", line.how.session, "Name or id of a session that it shall live in");
  boot->add_option("--environment", line.how.environment, "Environment of its own sessions");
  boot->add_option("--egress", line.how.egress, "Egress policy of its own sessions");
  all->add_subcommand("list", "Lists the applications");
  auto* url = all->add_subcommand("url", "Prints where an application is served");
  url->add_option("APP", line.subject, "Name or id of the application")->required();
  auto* close = all->add_subcommand("close", "Ends an application");
  close->add_option("APP", line.subject, "Name or id of the application")->required();
}

void add_admin_commands(CLI::App& app, command_line& line) {
  auto& how = line.admin;
  auto* admin = app.add_subcommand("admin", "What operators see and do, over all tenants");
  admin->require_subcommand(1);
  auto add = [&](const char* name, const char* what) {
    auto* one = admin->add_subcommand(name, what);
    one->add_flag("--json", how.json, "JSON instead of text");
    return one;
  };
  auto with_tenant = [&](CLI::App* one, const char* what) {
    one->add_option("--tenant", how.tenant, what);
    return one;
  };
  auto with_subject = [&](CLI::App* one, const char* name, const char* what) {
    one->add_option(name, how.subject, what)->required();
    return one;
  };
  add("status", "Tells how the daemon stands");
  add("tenants", "Lists the tenants: what they have and may have");
  with_tenant(add("sessions", "Lists live sessions"), "Of that tenant only");
  with_tenant(add("executions", "Lists executions that run or wait"), "Of that tenant only")
      ->add_flag("--ended", how.ended, "Also those that have ended and are kept");
  add("workers", "Lists the worker pools: zygotes, and the workers that stand ready");
  add("pools", "Lists the session pools");
  add("environments", "Lists the environments of the configuration and of all tenants");
  add("drain", "Has the daemon take no new sessions; what is there goes on");
  add("undrain", "Has it take new sessions again");
  with_tenant(
      with_subject(add("interrupt", "Interrupts an execution"), "ID", "Id of the execution"),
      "Its tenant, when it is known");
  with_tenant(with_subject(add("kill", "Kills an execution with its session, or a session"), "ID",
                           "Id of the execution or session"),
              "Its tenant; with it, a session goes by its name as well");
  with_tenant(with_subject(add("close", "Closes a session in order"), "ID", "Id of the session"),
              "Its tenant; with it, a session goes by its name as well");
  with_tenant(with_subject(add("recycle", "Replaces the zygotes of an environment, and the workers "
                                          "that stand ready"),
                           "ENVIRONMENT", "Name of the environment"),
              "Those that this tenant's sessions come from");
  add("reload", "Has the daemon read its configuration again; shows what has changed");
  add("log-level", "Prints or sets what the daemon logs")
      ->add_option("LEVEL", how.subject, "debug, info, warn or error")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}));
  auto* top = app.add_subcommand("top", "Shows tenants, sessions and executions as they change");
  top->add_flag("--once", line.top_once, "Show them once, and end");
  top->add_option("--interval", line.interval, "Between two looks; 2s unless it is given");
}

void add_commands(CLI::App& app, command_line& line) {
  auto* eval = app.add_subcommand("eval", "Evaluates source and prints the repr of its value");
  add_place_options(*eval, line);
  add_pool_options(*eval, line);
  add_variables(*eval, line);
  eval->add_flag("--json", line.how.json, "Print the value as JSON");
  eval->add_option("SOURCE", line.subject, "Python source; - reads it from stdin")->required();
  auto* run = app.add_subcommand("run", "Runs a file, with live output; Ctrl-C cancels it");
  add_place_options(*run, line);
  add_pool_options(*run, line);
  add_variables(*run, line);
  run->add_option("FILE", line.subject, "Python file; - reads it from stdin")->required();
  auto* call = app.add_subcommand("call", "Calls a function of a module");
  add_place_options(*call, line);
  add_pool_options(*call, line);
  call->add_flag("--json", line.how.json, "Print the value as JSON");
  call->add_option("MODULE", line.subject, "Module; builtins for the built-in ones")->required();
  call->add_option("NAME", line.name, "Function; dots lead to methods")->required();
  // One option each: an option of many would take an array in JSON for a list of its own. Only the
  // first one is shown.
  call->add_option("ARG", line.values[0],
                   "Arguments in JSON, up to " + std::to_string(line.values.size()));
  for (std::size_t n = 1; n < line.values.size(); ++n)
    call->add_option("ARG" + std::to_string(n + 1), line.values[n])->group("");
  call->formatter(std::make_shared<call_help>());
  auto* stream = app.add_subcommand("stream", "Prints the items of a value as they come");
  add_place_options(*stream, line);
  add_pool_options(*stream, line);
  add_variables(*stream, line);
  stream->add_flag("--json", line.how.json, "Print the items as JSON");
  stream->add_option("SOURCE", line.subject, "Python source; - reads it from stdin")->required();
  auto* host = app.add_subcommand(
      "host", "Answers calls of Python code by commands of the shell, until Ctrl-C");
  host->add_option("--session", line.host.session,
                   "Name or id of the session whose calls are answered; without it all");
  host->add_option(
          "FUNCTION", line.host.functions,
          "NAME=COMMAND: Python's vivarium.call(NAME, ...) runs COMMAND with the arguments "
          "on stdin, {\"args\": [...], \"kwargs\": {...}}, and returns what it prints, "
          "JSON or nothing; with a status other than 0 it fails with what stderr says")
      ->required();
  auto* repl = app.add_subcommand("repl", "Reads, evaluates and prints in one session");
  add_place_options(*repl, line);
  app.add_subcommand("sessions", "Lists the live sessions");
  add_job_commands(app, line);
  add_file_commands(app, line);
  add_environment_commands(app, line);
  add_store_command(app, line);
  add_app_commands(app, line);
  add_admin_commands(app, line);
  auto* namespaces = app.add_subcommand("namespaces", "Lists the namespaces of a session");
  namespaces->add_option("SESSION", line.subject, "Name or id of the session")->required();
  auto* close = app.add_subcommand("close", "Ends a session");
  close->add_option("NAME", line.subject, "Name or id of the session")->required();
  app.add_subcommand("keys",
                     "Makes, lists, rotates and revokes API keys; see vivarium keys --help");
  app.add_subcommand("version", "Prints the version of this command");
  app.add_subcommand("health", "Tells whether the daemon is ready");
}

/// The arguments without `--once`, which stands before everything that is not the command's own.
std::vector<std::string> without_once(int argc, char** argv) {
  std::vector<std::string> out{argv + 1, argv + argc};
  out.erase(std::find(out.begin(), out.end(), "--once"));
  return out;
}

} // namespace

int main(int argc, char** argv) {
  try {
    if (argc > 1 && std::string_view{argv[1]} == "keys")
      run_keys(argv);
  } catch (const std::exception& why) {
    return show_failure(why);
  }
  command_line line;
  CLI::App app{"Evaluates Python in the sandboxed sessions of a vivariumd", "vivarium"};
  auto* server = app.add_option(
      "--server", line.how.server,
      "http://HOST:PORT, https://HOST:PORT or unix:///PATH; else VIVARIUM_URL, else the "
      "default socket, else http://127.0.0.1:7717");
  std::string traceparent;
  app.add_option("--traceparent", traceparent,
                 "W3C Trace Context that the requests belong to; else TRACEPARENT");
  app.add_flag("--once", line.once, "Start a daemon for this command only, and stop it afterwards")
      ->excludes(server);
  app.require_subcommand(1);
  app.fallthrough();
  add_commands(app, line);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& why) {
    return app.exit(why) == 0 ? exit_ok : exit_usage;
  }
  try {
    // Whoever connects finds it there, also the command that --once starts. Nobody else runs yet.
    if (!traceparent.empty())
      ::setenv("TRACEPARENT", traceparent.c_str(), 1); // NOLINT(concurrency-mt-unsafe)
    return line.once ? run_once(without_once(argc, argv)) : dispatch(app, line);
  } catch (const std::exception& why) {
    return show_failure(why);
  }
}
