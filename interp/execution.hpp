// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bridge/worker_protocol.hpp"
#include "interp/py_ref.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

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
  bool interrupt_raised = false;   ///< The interrupt was delivered; the code may still catch it.
  bool interrupted = false;        ///< The interrupt ended it.
  std::uint64_t stream_credit = 0; ///< Above 0: its value is to be iterated.
  py_ref space;                    ///< The namespace that it runs in.
  bool is_scratch = false;         ///< Which ends with it.
  bool of_app = false;             ///< A request to a web application.
  bool stop_waiting = false;       ///< It was interrupted while it waited for the host.
  std::string request_id;          ///< Of the request that it is for.
  std::string traceparent;         ///< Its place in a trace; empty when there is none.
};

/// An execution whose value is being iterated, see streams.hpp.
struct open_stream {
  execution about; ///< Empty when it is asynchronous: then it is one of those that wait.
  py_ref iterator;
  std::vector<std::uint64_t> rounds; ///< Credit left in each that was ordered, see bridge::pull.
  std::uint64_t round_bytes = 0;     ///< That the present one has brought.
  bool is_async = false;
  bool is_first = true; ///< The next item is the first one of its round.
  bool patient = false; ///< Its items leave when whoever makes them rests, not each at once.
  bool told = false;    ///< The daemon knows that others may have the interpreter in between.
  bool stop = false;    ///< It was interrupted while nothing of it ran.
};

/// What the worker is busy with: at most one execution on the main thread, any number of
/// asynchronous ones whose tasks wait in the event loop, and streams between two items. Needs the
/// GIL.
struct execution_table {
  execution* current = nullptr;
  /// Those that wait on the main thread for an answer of the host while others may run, outermost
  /// first.
  std::vector<execution*> suspended;
  std::map<std::uint64_t, execution> waiting;   ///< Asynchronous ones, by number.
  std::map<std::uint64_t, open_stream> streams; ///< By number. Nodes do not move.
  /// Numbers of synchronous streams that can go on, or were interrupted. May name some that are no
  /// longer there.
  std::deque<std::uint64_t> ready;
  std::uint64_t last_started = 0;

  /// Who has the main thread, or gave it away last.
  [[nodiscard]] execution* on_main_thread() const noexcept {
    return current != nullptr ? current : suspended.empty() ? nullptr : suspended.back();
  }
};

} // namespace vivarium::interp
