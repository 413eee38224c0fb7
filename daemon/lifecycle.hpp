// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vivarium {

/// Forbids core dumps and tracing of the daemon, and raises the limit of descriptors as far as it
/// goes.
void prepare_process();

/// Writes the port and a newline, renamed into place so that a reader sees all or nothing.
[[nodiscard]] status write_port_file(const std::string& path, std::uint16_t port);

/// Tells systemd, if it started us, e.g. "READY=1". Failure does not matter.
void notify_manager(std::string_view state) noexcept;

/// Where the daemon keeps what outlives it: /var/lib/vivarium, or below XDG_STATE_HOME or HOME of
/// an ordinary user; empty when neither is set. It need not be there.
[[nodiscard]] std::string state_directory();
/// How long systemd, if it started us with a watchdog, waits for "WATCHDOG=1" before it starts us
/// again.
[[nodiscard]] std::optional<std::chrono::microseconds> watchdog_timeout();

/// Directory of the running program.
[[nodiscard]] std::string program_directory();

} // namespace vivarium
