// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bridge/worker_protocol.hpp"

#include <cstdint>
#include <map>

namespace vivarium::interp {

/// An execution that has started and not ended.
struct execution {
  std::uint64_t number = 0;
  bridge::value_form form = bridge::value_form::typed;
  bridge::value_options values = bridge::plain_values;
  std::uint64_t owner = 0; ///< Connection that its refs belong to; 0: the session.
  std::uint64_t max_result_bytes = 0;
  std::uint64_t max_output_bytes = 0;
  std::uint64_t output_bytes = 0; ///< Written, sent or not.
  bool output_truncated = false;
  bool interrupt_raised = false; ///< The interrupt was delivered; the code may still catch it.
  bool interrupted = false;      ///< The interrupt ended it.
};

/// What the worker is busy with: at most one execution on the main thread, and any number of
/// asynchronous ones whose tasks wait in the event loop. Needs the GIL.
struct execution_table {
  execution* current = nullptr;
  std::map<std::uint64_t, execution> waiting; ///< Asynchronous ones, by number.
  std::uint64_t last_started = 0;
};

} // namespace vivarium::interp
