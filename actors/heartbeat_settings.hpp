// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>

namespace vivarium {

/// How workers that owe an answer are asked whether they live.
struct heartbeat_settings {
  std::chrono::milliseconds interval{2'000}; ///< Between two looks; 0: nobody is asked.
  std::chrono::milliseconds timeout{10'000}; ///< For an answer.
  std::size_t missed = 3;                    ///< Answers in a row, until it is ended.
};

} // namespace vivarium
