// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace vivarium {

/// What `vivariumd keys` is asked.
struct keys_request {
  enum class action { create, list, rotate, revoke };
  action what = action::list;
  std::string file; ///< Empty: what the configuration says, else the usual place.
  std::string id;
  std::string tenant;
  std::string role = "client";
  std::string expires; ///< A duration; empty for never.
  std::string grace;   ///< A duration; empty for none.
};

/// The command line.
struct options {
  enum class action { serve, check, doctor, attack, keys, reference };
  action what = action::serve;
  std::string config; ///< Empty: the usual place, if there is a file.
  std::vector<std::string> listen;
  std::string port_file;
  std::string state_dir; ///< Empty: what the configuration says.
  bool json = false;     ///< Of the doctor.
  keys_request keys;
};

/// The command line as parsed, or the exit code when there is nothing left to do: help was shown,
/// or what is wrong was said.
struct parsed_options {
  options chosen;
  std::optional<int> exit_code;
};

[[nodiscard]] parsed_options parse_options(int argc, char** argv);

} // namespace vivarium
