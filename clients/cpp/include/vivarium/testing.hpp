// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vivarium/client.hpp>

namespace vivarium {
inline namespace client_v1 {

/// What a daemon of one's own is started with.
struct daemon_options {
  /// Path of vivariumd; empty to look at VIVARIUM_DAEMON, beside the running program, and in PATH.
  std::string program = {};
  /// TOML; with small pools by default, which start quickly.
  std::string config = "[pool]\nready = 2\nlow = 1\n";
  std::vector<std::string> arguments = {};
  /// To be ready in.
  std::chrono::milliseconds timeout{60'000};
  /// To stop in after SIGTERM, before it is killed.
  std::chrono::milliseconds stop_timeout{30'000};
};

/// Returns the path of vivariumd: `chosen` unless empty, else VIVARIUM_DAEMON, beside the running
/// program, or in PATH. Throws `connection_error` when there is none.
[[nodiscard]] std::string find_daemon(const std::string& chosen = {});

/// A vivariumd of one's own, for tests: on a port that the kernel chooses and on a Unix socket, in
/// a temporary directory, with nothing of the machine's own daemon. It is ready when this has been
/// made; the destructor stops it, reaps it and removes the directory, also when a test throws. When
/// the program dies the daemon is told to stop.
///
///     vivarium::daemon_fixture daemon;
///     auto client = daemon.connect();
///     CHECK(client.eval_as<int>("6 * 7") == 42);
class daemon_fixture {
public:
  /// Throws `connection_error` with the daemon's log when it does not become ready.
  explicit daemon_fixture(daemon_options how = {});
  daemon_fixture(daemon_fixture&&) noexcept;
  daemon_fixture& operator=(daemon_fixture&&) noexcept;
  ~daemon_fixture();

  [[nodiscard]] const std::string& url() const noexcept;
  [[nodiscard]] std::string socket_url() const;
  [[nodiscard]] const std::string& directory() const noexcept;
  [[nodiscard]] int pid() const noexcept;
  [[nodiscard]] client connect(const connect_options& how = {}) const;
  /// What it has logged.
  [[nodiscard]] std::string log() const;
  /// Asks it to finish what runs and stop, waits, and returns its exit status, or minus the number
  /// of the signal.
  int stop();
  /// Kills it without warning and reaps it.
  void kill();

private:
  struct state;
  std::unique_ptr<state> state_;
};

} // namespace client_v1
} // namespace vivarium
