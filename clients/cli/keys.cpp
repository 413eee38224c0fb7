// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/keys.hpp"

#include <vivarium/testing.hpp>

#include <cerrno>
#include <system_error>

#include <unistd.h>

namespace vivarium::cli {

void run_keys(char** argv) {
  const auto program = find_daemon();
  ::execv(program.c_str(), argv);
  throw std::system_error{errno, std::generic_category(), "exec " + program};
}

} // namespace vivarium::cli
