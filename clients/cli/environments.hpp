// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace vivarium::cli {

/// What `vivarium env` was asked for.
struct environment_order {
  std::string server;
  std::string name;
  std::vector<std::string> requirements;
  std::vector<std::string> requirement_files;
  std::string pyproject; ///< Path.
  std::string lock;      ///< Path.
  std::vector<std::string> extras;
  std::string python;
  std::string interpreter;
  std::string virtual_environment;
  std::string installer;
  std::string index_url;
  std::string wheels;
  std::vector<std::string> preload;
  std::string init; ///< Path.
  std::vector<std::string> stdlib;
  std::string timeout;
  bool sources = false;
  bool force = false;
  bool for_all = false;
  bool lock_only = false; ///< Shows the lock and nothing else.
};

/// Lists the environments that can be used.
int list_environments(const environment_order& how);
/// Declares an environment, where the order says what it is, and builds it, showing the log.
int build_environment(const environment_order& how);
/// Tells what is missing; the status says whether something is.
int verify_environment(const environment_order& how);
int show_environment(const environment_order& how);
int remove_environment(const environment_order& how);

} // namespace vivarium::cli
