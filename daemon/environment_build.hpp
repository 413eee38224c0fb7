// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/environment_types.hpp"

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace vivarium {

/// A build as those see it who wait for it: its log, and how it ended. It ends early when the last
/// of them has left, unless it is the daemon's own wish. Reactor thread.
class environment_build {
public:
  environment_build(bool wanted, std::function<void()> cancel)
      : wanted_{wanted}, cancel_{std::move(cancel)} {}

  /// `on_progress` is called when there is more to see. Returns a number to leave by.
  std::uint64_t watch(std::function<void()> on_progress);
  void leave(std::uint64_t watcher);

  /// Line number `n` of the log; null when there is none yet.
  [[nodiscard]] const std::string* line(std::size_t n) const noexcept;
  [[nodiscard]] const std::optional<result<environment_info>>& end() const noexcept { return end_; }

  /// Whoever builds writes it.
  void write(std::string_view output);
  void finish(result<environment_info> how);
  /// The last lines of the log that say something, for an error.
  [[nodiscard]] std::string last_words() const;

private:
  void put(std::string line);
  void tell() const;

  bool wanted_;
  std::function<void()> cancel_;
  std::map<std::uint64_t, std::function<void()>> watchers_;
  std::uint64_t next_watcher_ = 1;
  std::deque<std::string> lines_;
  std::deque<std::string> tail_;
  std::string begun_; // a line that has no end yet
  std::size_t bytes_ = 0;
  bool cut_ = false;
  std::optional<result<environment_info>> end_;
};

using environment_build_ptr = std::shared_ptr<environment_build>;

} // namespace vivarium
