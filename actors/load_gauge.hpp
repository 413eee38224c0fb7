// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/execution.hpp"

namespace vivarium {

/// When the daemon last had an execution to send or to answer. Work that can wait, such as
/// refilling a pool, looks here for a quiet moment. Reactor thread.
class load_gauge {
public:
  void touch(clock_type::time_point now) noexcept { last_ = now; }
  [[nodiscard]] clock_type::duration quiet_for() const noexcept {
    return clock_type::now() - last_;
  }

private:
  clock_type::time_point last_{};
};

} // namespace vivarium
