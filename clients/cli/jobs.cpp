// SPDX-License-Identifier: Apache-2.0

// Commands for what goes on without them: jobs, session pools, messages.

#include "clients/cli/commands.hpp"
#include "clients/cli/show.hpp"

#include <vivarium/client.hpp>

#include <cstdio>
#include <iterator>
#include <string>

namespace vivarium::cli {

int wait_command(const run_request& how, const std::string& execution) {
  const auto on = client::connect(how.server);
  const auto job = on.use_execution(execution);
  const auto ended = how.timeout.count() > 0 ? job.wait(how.timeout) : job.wait();
  if (!ended) {
    write_err("vivarium: it has not ended yet; waiting did not change that\n");
    return exit_deadline;
  }
  return show_whole(*ended);
}

int cancel_command(const std::string& server, const std::string& execution) {
  const auto on = client::connect(server);
  write_out(on.use_execution(execution).cancel() ? "cancelled\n" : "it had ended already\n");
  return exit_ok;
}

int jobs_command(const run_request& how) {
  static constexpr const char* states[] = {"unspecified", "queued", "running", "done"};
  const auto found = client::connect(how.server).executions(how.session);
  std::printf("%-32s  %-32s  %s\n", "ID", "SESSION", "STATE");
  for (const auto& each : found) {
    const auto state = static_cast<std::size_t>(each.state);
    std::printf("%-32s  %-32s  %s\n", each.id.c_str(),
                each.session_id.empty() ? "-" : each.session_id.c_str(),
                state < std::size(states) ? states[state] : "unknown");
  }
  return exit_ok;
}

int pools_command(const std::string& server) {
  const auto found = client::connect(server).pools();
  std::printf("%-20s  %-12s  %-10s  %-6s  %-8s  %-10s  %s\n", "NAME", "ENVIRONMENT", "SESSIONS",
              "BUSY", "WAITING", "CALLS", "TROUBLE");
  for (const auto& each : found) {
    const auto sessions = std::to_string(each.ready) + "/" + std::to_string(each.sessions);
    std::printf("%-20s  %-12s  %-10s  %-6u  %-8llu  %-10llu  %s\n", each.name.c_str(),
                each.environment.c_str(), sessions.c_str(), each.busy,
                static_cast<unsigned long long>(each.waiting),
                static_cast<unsigned long long>(each.calls),
                each.trouble.empty() ? "-" : each.trouble.c_str());
  }
  return exit_ok;
}

int send_command(const std::string& server, const std::string& to, const std::string& content) {
  const auto receivers = client::connect(server).send(to, value::from_json(content));
  std::printf("%llu\n", static_cast<unsigned long long>(receivers));
  return exit_ok;
}

int receive_command(const std::string& server, const std::string& name) {
  const auto on = client::connect(server);
  for (const auto& each : on.receive(name, result_format::json)) {
    if (each.lost_before > 0)
      write_err("vivarium: " + std::to_string(each.lost_before) + " messages were dropped\n");
    write_out(each.content.as<std::string>() + "\n");
  }
  return exit_ok;
}

} // namespace vivarium::cli
