// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/environment.hpp"
#include "proto/result.hpp"

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// Values of the environments that the daemon builds: what is asked, what is kept, what is told.
namespace vivarium {

/// How environments are built, of the configuration.
struct build_settings {
  std::string state;                       ///< Directory of the daemon's; empty: there is none.
  std::string tool;                        ///< Path of the program in Python that builds.
  std::string python = "/usr/bin/python3"; ///< To build with, where nobody says.
  std::string index_url;
  std::string wheels;
  installer_choice installer = installer_choice::automatic;
  std::chrono::milliseconds timeout{300'000};
  std::size_t concurrent = 1;
  std::uint64_t bytes = std::uint64_t{4} << 30; ///< What one may take on the disk.
};

/// What an environment is declared as.
struct environment_spec {
  std::string interpreter;
  std::string virtual_environment;
  std::optional<environment_recipe> recipe; ///< Requirements or a pyproject.
  std::vector<std::string> preload;
  std::string init;
  std::vector<std::string> import_paths;
  std::vector<std::pair<std::string, std::string>> variables;

  bool operator==(const environment_spec&) const = default;
};

/// Numbers equal vivarium.v1.EnvironmentState.
enum class environment_state : std::uint8_t { declared = 1, building, ready, failed };

/// What a build has come to, or a look at an interpreter.
struct environment_facts {
  std::string id;
  std::string python_version;
  std::string platform_tag;
  std::string lock;
  std::vector<std::pair<std::string, std::string>> packages; ///< Name and version.
  std::string folder; ///< That it is in, below the state directory; empty when it was not built.
  std::chrono::seconds built{0}; ///< Since 1970.
};

/// An environment that is kept across restarts.
struct environment_record {
  std::string owner; ///< Tenant; empty: everybody's.
  std::string name;
  bool trusted = false; ///< An administrator's: its code may run in zygotes.
  bool configured = false;
  environment_spec spec;
  std::optional<environment_facts> facts;
  std::string trouble;
};
using environment_record_ptr = std::shared_ptr<const environment_record>;

/// An environment as it stands.
struct environment_info {
  std::string name;
  environment_state state = environment_state::declared;
  std::string python;
  environment_facts facts;
  std::string trouble;
  bool configured = false;
  bool own = false;
  std::vector<std::string> preload;
};

struct environment_registration {
  std::string name;
  environment_spec spec;
  bool force = false;
  bool for_all = false;
  std::string reaches; ///< Name of a field that is for administrators; empty when none is set.
};

struct environment_verification {
  struct check {
    std::string requirement;
    bool satisfied = false;
    std::string found;
    std::string problem;
  };
  std::vector<check> checks;
};

struct verify_request {
  std::string name;
  std::vector<std::string> requirements;
  std::vector<std::string> stdlib;
};

struct build_request {
  std::string name;
  bool force = false;
};

inline constexpr std::size_t most_environments_of_tenant = 16;
inline constexpr std::size_t most_environments = 1'000;
inline constexpr std::size_t most_requirements = 1'000;
inline constexpr std::size_t most_requirement_bytes = 500;
inline constexpr std::size_t most_spec_bytes = 1u
                                               << 20; ///< Of a pyproject, a lock, an init script.
inline constexpr std::size_t most_build_log = 1u << 20;
inline constexpr std::size_t most_waiting_builds = 16;

/// Refuses a declaration that could not be built or used, whoever asks. Reads no files.
[[nodiscard]] status check_spec(const environment_spec& what);

} // namespace vivarium
