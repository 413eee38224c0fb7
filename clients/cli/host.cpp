// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/host.hpp"

#include "clients/cli/interrupts.hpp"
#include "clients/cli/shell.hpp"
#include "clients/cli/show.hpp"

#include <vivarium/client.hpp>

#include <atomic>

namespace vivarium::cli {

namespace {

// The end of what a command said when it failed.
constexpr std::size_t most_message = 4'096;

std::string trimmed(const std::string& text) {
  const auto last = text.find_last_not_of(" \t\r\n");
  auto out = last == std::string::npos ? std::string{} : text.substr(0, last + 1);
  return out.size() > most_message ? "... " + out.substr(out.size() - most_message) : out;
}

std::string how_it_ended(const shell_result& of) {
  if (of.overflown)
    return "the command wrote more than 16 MiB";
  return of.status < 0 ? "the command was ended by signal " + std::to_string(-of.status)
                       : "the command ended with status " + std::to_string(of.status);
}

value answer_by(const std::string& command, const host_call& call) {
  // Names of Python's choosing go into variables: they are never part of the command.
  const auto done = run_shell(command, call.json(),
                              {{"VIVARIUM_CALL", call.id()},
                               {"VIVARIUM_FUNCTION", call.name()},
                               {"VIVARIUM_SESSION", call.session_id()},
                               {"VIVARIUM_EXECUTION", call.execution_id()}},
                              [&call] { return call.wanted(); });
  if (done.status != 0 || done.overflown) {
    const auto said = trimmed(done.err);
    throw host_error{"CommandFailed",
                     said.empty() || done.overflown ? how_it_ended(done) : said,
                     {},
                     value::dict_of({{"status", done.status}})};
  }
  write_err(done.err);
  const auto text = trimmed(done.out);
  if (text.empty())
    return {};
  try {
    return value::from_json(done.out);
  } catch (const conversion_error&) {
    throw host_error{"CommandFailed", "the command wrote what is no JSON"};
  }
}

host_functions functions_of(const std::vector<std::string>& given) {
  host_functions out;
  for (const auto& each : given) {
    const auto equals = each.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == each.size())
      throw invalid_argument_error{"'" + each + "': expected NAME=COMMAND"};
    out.emplace_back(each.substr(0, equals), [command = each.substr(equals + 1)](host_call& call) {
      return answer_by(command, call);
    });
  }
  return out;
}

} // namespace

serving offer(const client& on, const std::vector<std::string>& functions,
              const std::string& session) {
  if (functions.empty())
    return {};
  return on.serve(functions_of(functions), {.session = session, .format = result_format::json});
}

int host_command(const host_request& how) {
  std::string names;
  for (const auto& [name, function] : functions_of(how.functions))
    names += (names.empty() ? "" : ", ") + name;
  const interrupts keyboard;
  const auto on = client::connect(how.server);
  auto serving = offer(on, how.functions, how.session);
  std::atomic<bool> told = false;
  const interrupt_watch watch{keyboard, [&] {
                                told = true;
                                serving.stop();
                              }};
  write_err("vivarium: serving " + names + "\n");
  serving.wait();
  if (told)
    return exit_ok;
  throw connection_error{"the daemon closed the connection"};
}

} // namespace vivarium::cli
