// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/commands.hpp"

#include "clients/cli/host.hpp"
#include "clients/cli/limit.hpp"
#include "clients/cli/live.hpp"
#include "clients/cli/module_option.hpp"
#include "clients/cli/show.hpp"

#include <vivarium/client.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <system_error>

namespace vivarium::cli {

namespace {

std::string read_stdin() {
  return {std::istreambuf_iterator<char>{std::cin}, std::istreambuf_iterator<char>{}};
}

std::string read_file(const std::string& path) {
  std::ifstream in{path, std::ios::binary};
  std::string text{std::istreambuf_iterator<char>{in}, std::istreambuf_iterator<char>{}};
  if (!in || in.bad())
    throw invalid_argument_error{"cannot read " + path + ": "
                                 + std::generic_category().message(errno)};
  return text;
}

run_options options_for(const run_request& how, result_format format) {
  run_options out;
  out.timeout = how.timeout;
  out.cpu = how.cpu;
  out.format = format;
  out.environment = how.environment;
  out.namespace_id = how.space;
  out.within_call = how.within;
  for (const auto& each : how.limits)
    add_limit(out.limits, each);
  // An id stands for a session that exists; only a name can be made on first use.
  out.create_session = how.pool.empty() && !how.session.empty() && !how.session.starts_with("ses_");
  return out;
}

result_format shown_as(const run_request& how) {
  return how.json ? result_format::json : result_format::repr;
}

variables variables_of(const run_request& how) {
  variables out;
  for (const auto& each : how.variables) {
    const auto equals = each.find('=');
    if (equals == std::string::npos || equals == 0)
      throw invalid_argument_error{"'" + each + "': expected NAME=JSON"};
    out.set(each.substr(0, equals), value::from_json(each.substr(equals + 1)));
  }
  return out;
}

/// The session of the command, or the client itself for one that ends with it.
runner place_of(const client& on, const run_request& how) {
  if (!how.pool.empty()) {
    const auto pool = on.use_pool(how.pool);
    return how.key.empty() ? runner{pool} : runner{pool.with_key(how.key)};
  }
  if (!how.egress.empty() || how.store || !how.database.empty() || how.children
      || !how.modules.empty() || !how.log_level.empty())
    return runner{special_session(on, how)};
  return how.session.empty() ? runner{on} : runner{on.use_session(how.session)};
}

} // namespace

session special_session(const client& on, const run_request& how) {
  session_options with;
  with.name = how.session;
  with.environment = how.environment;
  with.attach = !how.session.empty();
  with.lifetime = how.session.empty() ? lifetime::connection : lifetime::unset;
  with.egress = how.egress;
  if (how.store)
    with.capabilities.store.emplace();
  if (how.database.find("://") != std::string::npos)
    with.capabilities.sql = sql_grant{.database_url = how.database};
  else if (!how.database.empty())
    with.capabilities.sql = sql_grant{.database = how.database};
  if (how.children)
    with.processes = process_mode::children;
  for (const auto& each : how.modules)
    with.modules.push_back(parse_module(each));
  with.log_level = parse_level(how.log_level);
  for (const auto& each : how.limits)
    add_limit(with.limits, each);
  return on.session(with);
}

int eval_command(const run_request& how, const std::string& source) {
  const auto with = variables_of(how);
  const auto text = source == "-" ? read_stdin() : source;
  const auto on = client::connect(how.server);
  const auto offered = offer(on, how.functions);
  return show_whole(place_of(on, how).run(text, with, options_for(how, shown_as(how))));
}

int run_command(const run_request& how, const std::string& file) {
  const auto with = variables_of(how);
  const auto source = file == "-" ? read_stdin() : read_file(file);
  const interrupts keyboard;
  const auto on = client::connect(how.server);
  const auto offered = offer(on, how.functions);
  auto options = options_for(how, result_format::none);
  options.filename = file == "-" ? "<stdin>" : file;
  session own;
  const bool alone = how.session.empty() && how.pool.empty();
  if (alone)
    own = special_session(on, how);
  const auto& place = alone ? runner{own} : place_of(on, how);
  return show_outcome(show_live(place.start(source, with, options), keyboard));
}

int start_command(const run_request& how, const std::string& source) {
  const auto with = variables_of(how);
  const auto text = source == "-" ? read_stdin() : source;
  const auto on = client::connect(how.server);
  auto options = options_for(how, shown_as(how));
  options.detach = how.detach;
  write_out(place_of(on, how).start(text, with, options).id() + "\n");
  return exit_ok;
}

int call_command(const run_request& how, const std::string& module, const std::string& name,
                 const std::vector<std::string>& given) {
  arguments with;
  for (const auto& each : given)
    with.positional.push_back(value::from_json(each));
  with.options = options_for(how, shown_as(how));
  const auto on = client::connect(how.server);
  const auto offered = offer(on, how.functions);
  return show_whole(
      place_of(on, how).prepare_run_call(module_name{module}, name, operation::call, with).get());
}

int stream_command(const run_request& how, const std::string& source) {
  const auto with = variables_of(how);
  const auto text = source == "-" ? read_stdin() : source;
  const auto on = client::connect(how.server);
  const auto offered = offer(on, how.functions);
  auto items = place_of(on, how).stream(text, with, {.run = options_for(how, shown_as(how))});
  try {
    while (auto item = items.next())
      write_out(item->as<std::string>() + "\n");
  } catch (const execution_error& why) {
    if (why.verdict() == nullptr)
      throw;
    return show_whole(*why.verdict());
  }
  const auto ended = items.end_verdict();
  if (!ended)
    return exit_ok;
  write_out(ended->output);
  write_err(ended->error_output);
  return exit_ok;
}

int sessions_command(const std::string& server) {
  static constexpr const char* states[] = {"unspecified",  "starting", "ready", "busy",
                                           "interrupting", "",         "dead"};
  const auto found = client::connect(server).sessions();
  std::printf("%-32s  %-20s  %-12s  %-12s  %s\n", "ID", "NAME", "STATE", "ENVIRONMENT",
              "EXECUTIONS");
  for (const auto& each : found) {
    const auto state = static_cast<std::size_t>(each.state);
    std::printf("%-32s  %-20s  %-12s  %-12s  %llu\n", each.id.c_str(),
                each.name.empty() ? "-" : each.name.c_str(),
                state < std::size(states) ? states[state] : "unknown", each.environment.c_str(),
                static_cast<unsigned long long>(each.executions));
  }
  return exit_ok;
}

int namespaces_command(const std::string& server, const std::string& session) {
  const auto on = client::connect(server);
  const auto found = on.use_session(session).namespaces();
  std::printf("%-32s  %s\n", "ID", "NAME");
  for (const auto& each : found)
    std::printf("%-32s  %s\n", each.id.c_str(), each.name.empty() ? "-" : each.name.c_str());
  return exit_ok;
}

int close_command(const std::string& server, const std::string& session) {
  client::connect(server).close_session(session);
  return exit_ok;
}

int health_command(const std::string& server) {
  if (auto why = why_not_ready(server)) {
    write_err("vivarium: " + *why + "\n");
    return exit_unreachable;
  }
  write_out("ready\n");
  return exit_ok;
}

} // namespace vivarium::cli
