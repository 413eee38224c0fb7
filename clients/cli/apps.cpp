// SPDX-License-Identifier: Apache-2.0

// Commands for web applications.

#include "clients/cli/commands.hpp"
#include "clients/cli/show.hpp"

#include <vivarium/client.hpp>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

namespace vivarium::cli {

namespace {

// Paths and modules are told apart by how they end.
bool is_file(const std::string& what) {
  return what.size() > 3 && what.ends_with(".py");
}

std::string contents_of(const std::string& path) {
  std::ifstream in{path, std::ios::binary};
  if (!in)
    throw std::runtime_error{path + " cannot be read"};
  return {std::istreambuf_iterator<char>{in}, {}};
}

} // namespace

int app_boot_command(const run_request& how, const std::string& what, const app_request& wish) {
  app_options options;
  options.name = wish.name;
  options.everybody = wish.everybody;
  options.host = wish.host;
  options.workers = wish.workers;
  options.session = how.session;
  options.own.environment = how.environment;
  options.own.egress = how.egress;
  auto place = what.substr(0, what.rfind(':'));
  if (auto colon = what.rfind(':'); colon != std::string::npos)
    options.attribute = what.substr(colon + 1);
  if (is_file(place))
    options.source = contents_of(place);
  else
    options.module = place;
  write_out(client::connect(how.server).boot_app(options).path + "\n");
  return exit_ok;
}

int app_list_command(const std::string& server) {
  std::printf("%-20s  %-5s  %-8s  %-9s  %-10s  %-9s  %s\n", "NAME", "KIND", "STATE", "SESSIONS",
              "REQUESTS", "FAILURES", "PATH");
  for (const auto& each : client::connect(server).apps())
    std::printf("%-20s  %-5s  %-8s  %-9u  %-10llu  %-9llu  %s\n",
                each.name.empty() ? "-" : each.name.c_str(), each.kind.c_str(), each.state.c_str(),
                each.workers, static_cast<unsigned long long>(each.requests),
                static_cast<unsigned long long>(each.failures), each.path.c_str());
  return exit_ok;
}

int app_url_command(const std::string& server, const std::string& app) {
  const auto found = client::connect(server).app(app);
  for (const auto& host : found.hosts)
    write_out("http://" + host + "/\n");
  write_out(found.path + "\n");
  return exit_ok;
}

int app_close_command(const std::string& server, const std::string& app) {
  client::connect(server).close_app(app);
  return exit_ok;
}

} // namespace vivarium::cli
