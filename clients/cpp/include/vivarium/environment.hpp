// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vivarium/stream.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace vivarium {
inline namespace client_v1 {

/// What installs packages; see EnvironmentInstaller in environment.proto.
enum class installer : std::uint8_t { automatic, pip, uv };

/// What an environment is; exactly one of the first four is set. See EnvironmentSpec.
struct environment_spec {
  std::string interpreter = {};
  std::string virtual_environment = {};
  std::vector<std::string> requirements = {};
  std::string pyproject = {}; ///< Text.
  std::string lock = {};      ///< Text.
  std::string python = {};
  std::vector<std::string> extras = {};
  enum installer installer = installer::automatic;
  std::string index_url = {};
  std::string wheel_directory = {};
  bool allow_source_builds = false;
  std::chrono::milliseconds build_timeout{0};
  std::vector<std::string> preload = {};
  std::string init = {};
  std::vector<std::string> import_paths = {};
  std::map<std::string, std::string> environment_variables = {};
};

/// How an environment is declared.
struct environment_options {
  std::string name = {};
  environment_spec spec = {};
  bool force = false;   ///< Replaces one of that name.
  bool for_all = false; ///< For all tenants.
};

enum class environment_state : std::uint8_t { unspecified, declared, building, ready, failed };

/// An environment as it stands.
struct environment_info {
  std::string name;
  std::string id;
  environment_state state = environment_state::unspecified;
  std::string python;
  std::string python_version;
  std::string platform_tag;
  std::vector<std::pair<std::string, std::string>> packages; ///< Name and version.
  std::string lock;
  std::string trouble;
  bool configured = false;
  bool own = false;
  std::vector<std::string> preload;
};

/// A message of a build: a line of its log, or at last the environment.
struct build_step {
  std::string line;
  std::optional<environment_info> environment = {};
};

/// The log of a build as it is written. It throws when the build has failed; giving it up ends the
/// build.
using build_stream = basic_stream<build_step>;

/// A requirement that was looked at.
struct requirement_check {
  std::string requirement;
  bool satisfied = false;
  std::string found;
  std::string problem;
};

struct environment_verification {
  bool satisfied = false;
  std::vector<requirement_check> checks;
};

} // namespace client_v1
} // namespace vivarium
