// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"
#include "sandbox/limits.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vivarium {

/// What a session is limited in; each number + 1 is the field of vivarium.v1.Limits.
enum class limit : std::uint8_t {
  memory,      ///< Bytes above the size of the fork.
  cpu,         ///< Milliseconds of CPU time that the session may use in all.
  workspace,   ///< Bytes of its files.
  inodes,      ///< Files and directories.
  threads,     ///< Threads and processes together.
  descriptors, ///< Open files, those of the runtime among them.
  file_size,   ///< Bytes of one file.
  output,      ///< Bytes that an execution may write to stdout and stderr.
  display,     ///< Bytes that an execution may display.
  displays,    ///< Objects that an execution may display.
  result,      ///< Bytes of an encoded result.
  event_log,   ///< Bytes of an execution's log.
  queue,       ///< Executions that wait.
  refs,        ///< Objects kept for the client.
  namespaces,  ///< Beside the base one.
};
inline constexpr std::size_t limit_count = 15;

enum class limit_unit : std::uint8_t { bytes, milliseconds, count };

/// How a limit is called, counted and configured.
struct limit_facts {
  limit which;
  std::string_view wire; ///< Its name in Limits and in causes, e.g. "memory_bytes".
  std::string_view key;  ///< Its option in [limits] and [limits.max], e.g. "memory".
  limit_unit unit;
  std::uint64_t usual; ///< Without a configuration.
  std::uint64_t least; ///< Nothing works below it.
  std::uint64_t most;  ///< Nothing can be configured beyond it.
};

/// Stands for a limit that is none.
inline constexpr std::uint64_t no_limit = ~std::uint64_t{0};

/// All limits, in the order of their numbers.
[[nodiscard]] const std::array<limit_facts, limit_count>& all_limits() noexcept;
[[nodiscard]] const limit_facts& facts_of(limit which) noexcept;

/// What holds for one session; a value.
class session_limits {
public:
  /// What holds without a configuration.
  session_limits() noexcept;
  [[nodiscard]] std::uint64_t operator[](limit which) const noexcept {
    return values_[static_cast<std::size_t>(which)];
  }
  [[nodiscard]] std::uint64_t& operator[](limit which) noexcept {
    return values_[static_cast<std::size_t>(which)];
  }
  bool operator==(const session_limits&) const = default;

private:
  std::array<std::uint64_t, limit_count> values_;
};

/// Maxima: of the whole daemon, or of one tenant. What is absent is not limited by whom it belongs
/// to.
class limit_maxima {
public:
  [[nodiscard]] const std::optional<std::uint64_t>& operator[](limit which) const noexcept {
    return values_[static_cast<std::size_t>(which)];
  }
  [[nodiscard]] std::optional<std::uint64_t>& operator[](limit which) noexcept {
    return values_[static_cast<std::size_t>(which)];
  }
  /// The section of the configuration that says them, for error texts.
  std::string section = "limits.max";

private:
  std::array<std::optional<std::uint64_t>, limit_count> values_;
};

/// What a client asks for; what is absent takes the default.
using limits_request = limit_maxima;

/// Settles the limits of a session. What is not asked for is the default, or the maximum where that
/// is less. Without a maximum the default is one. Refuses, with the limit, what was asked for, the
/// maximum and the option that would raise it, what is beyond, and what is too little to work with.
[[nodiscard]] result<session_limits> clamp_or_refuse(const limits_request& asked,
                                                     const session_limits& defaults,
                                                     const limit_maxima& maxima);

/// Maxima that hold for a tenant: its own where they are less, else those of all; `section` is the
/// tenant's. Without a maximum the default is one.
[[nodiscard]] limit_maxima narrower(const limit_maxima& all, const limit_maxima& own,
                                    const session_limits& defaults);

/// The greater of two sets of limits, one by one.
[[nodiscard]] session_limits wider(const session_limits& defaults, const limit_maxima& maxima);

/// What the kernel shall hold a worker to.
[[nodiscard]] sandbox::worker_limits kernel_limits(const session_limits& from) noexcept;

/// A number with its unit, e.g. "64 MiB", "1,500 ms", "32".
[[nodiscard]] std::string shown(limit which, std::uint64_t value);

} // namespace vivarium
