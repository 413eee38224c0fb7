// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"
#include "sandbox/shared_dir.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace vivarium {

/// Whether a session's code may have processes of its own.
enum class process_mode : std::uint8_t { none, children };

/// What installs packages. Numbers equal vivarium.v1.EnvironmentInstaller.
enum class installer_choice : std::uint8_t { automatic, pip, uv };

/// How an installation comes about: what a build is told.
struct environment_recipe {
  std::vector<std::string> requirements;
  std::string pyproject; ///< Text; else `requirements` say what is wanted.
  std::string lock;
  std::string python; ///< To build with.
  std::vector<std::string> extras;
  installer_choice installer = installer_choice::automatic;
  std::string index_url; ///< Empty: the installer's own.
  std::string wheels;    ///< Directory; then there is no index.
  bool sources = false;  ///< Packages without a wheel are built, which runs their code.
  std::chrono::milliseconds timeout{300'000};

  bool operator==(const environment_recipe&) const = default;
};

/// One environment: what its zygote is, and what its sessions begin with.
struct environment_settings {
  std::string python = "/usr/bin/python3";
  std::vector<std::string> preload;
  std::vector<std::string> wrapper; ///< Program and arguments before the interpreter's own.
  bool eager = true;                ///< Start its zygote with the daemon instead of on first use.
  /// What its sessions may have at most, and have when they do not say.
  process_mode processes = process_mode::none;
  std::vector<sandbox::shared_dir> dirs; ///< Of the host, that its sessions see.
  std::vector<std::string> import_paths; ///< Of the host, before all others in `sys.path`.
  std::vector<std::pair<std::string, std::string>> variables;
  std::string init;                         ///< Source that each session runs first.
  std::optional<environment_recipe> recipe; ///< It is built before it can be used.
  std::optional<std::uint32_t> hash_seed;   ///< PYTHONHASHSEED.
  std::optional<std::size_t> ready;         ///< Workers kept ready; else as configured.
  std::vector<std::string> imports; ///< Modules that sessions import once they have entered it.
  /// Prefix of a virtual environment that sessions enter once they are sealed. Its code was chosen
  /// by a tenant, so that no zygote may run any of it.
  std::string entered;
  std::string packages; ///< What an operator would install when a module of `preload` is missing.

  bool operator==(const environment_settings&) const = default;
};

/// An environment that a tenant has found by name.
struct environment_ref {
  std::string key;   ///< Unique; the same name may come to mean something else.
  std::string label; ///< For metrics: never what a tenant has chosen.
  std::shared_ptr<const environment_settings> settings;
};

/// What makes a session repeat itself.
struct determinism {
  std::optional<std::uint64_t> seed;
  std::optional<std::int64_t> clock_ns; ///< Since 1970.
  bool clock_advances = false;
  std::optional<std::uint32_t> hash_seed;
};

} // namespace vivarium
