// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/config.hpp"
#include "proto/result.hpp"

#include <string>
#include <string_view>

#include <sys/types.h>

namespace vivarium {

/// A vivariumd of the doctor's own: this program once more, with the sandbox of the given
/// configuration and small limits, on a Unix socket in a directory that nobody else may enter.
/// Ends, with everything below it, and takes the directory along, when this goes. Blocks: for
/// commands.
class trial {
public:
  /// Starts it and waits until it is ready. A failure has the last line that it said.
  static result<trial> start(const config& as);

  trial(trial&& other) noexcept;
  trial(const trial&) = delete;
  trial& operator=(const trial&) = delete;
  trial& operator=(trial&&) = delete;
  ~trial();

  /// Evaluates source, in a session of that name (made on first use) or without one, and returns
  /// the answer's body as it came. Gives up when nothing comes for a minute.
  [[nodiscard]] result<std::string> evaluate(std::string_view source, std::string_view session,
                                             unsigned timeout_ms) const;

  /// Its process.
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }

private:
  explicit trial(std::string folder) noexcept;
  status spawn();
  status wait_until_ready();
  [[nodiscard]] result<std::string> exchange(std::string_view request) const;
  [[nodiscard]] std::string last_words() const;

  std::string folder_;
  pid_t pid_ = -1;
};

/// A variable of the trial's environment, which no worker may see.
inline constexpr std::string_view trial_secret = "VIVARIUM_DOCTOR_SECRET";

} // namespace vivarium
