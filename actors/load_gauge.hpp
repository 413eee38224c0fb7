// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/execution.hpp"

namespace vivarium {

/// When the daemon last had an execution to send or to answer. Work that can wait, such as
/// refilling a pool, looks here for a quiet moment. Reactor thread.
class load_gauge {
public:
  void begins(clock_type::time_point now) noexcept { began_ = now; }
  void ends(clock_type::time_point now) noexcept { ended_ = now; }
  /// How long nothing has happened. What was last sent is taken for running, and the moment for
  /// none of quiet, until it has an answer or has taken long enough to be work without an end.
  [[nodiscard]] clock_type::duration quiet_for() const noexcept {
    auto now = clock_type::now();
    return began_ > ended_ ? now - began_ - short_work : now - ended_;
  }

private:
  static constexpr clock_type::duration short_work = std::chrono::milliseconds{50};
  clock_type::time_point began_{};
  clock_type::time_point ended_{};
};

} // namespace vivarium
