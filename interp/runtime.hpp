// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "interp/capture.hpp"
#include "interp/channel.hpp"
#include "interp/code_cache.hpp"
#include "interp/compile.hpp"
#include "interp/execution.hpp"
#include "interp/inbox.hpp"
#include "interp/interrupt.hpp"
#include "interp/namespaces.hpp"
#include "interp/python.hpp"
#include "interp/refs.hpp"
#include "interp/value_parts.hpp"

#include <string>

namespace vivarium::interp {

/// Python objects that the worker calls. Bound once, before tenant code exists, so that nothing is
/// ever looked up where tenant code could have put something else. Never freed.
struct python_parts {
  compiler_parts compiler;
  PyObject* forget = nullptr;          ///< (filename): its source is no longer kept
  PyObject* describe = nullptr;        ///< (exception) -> what encode_error.hpp expects
  PyObject* rich = nullptr;            ///< (value): displays a value that has a rich form
  PyObject* async_start = nullptr;     ///< (number, statements, value, namespace): makes a task
  PyObject* async_await = nullptr;     ///< (number, pending): makes a task
  PyObject* async_stream = nullptr;    ///< (number, iterator): makes a task that sends its items
  PyObject* async_resume = nullptr;    ///< (number): it has credit again
  PyObject* async_close = nullptr;     ///< (number): it is to end
  PyObject* async_turn = nullptr;      ///< () -> bool: runs the loop until there is something to do
  PyObject* async_busy = nullptr;      ///< () -> bool: whether the loop has anything to run
  PyObject* async_may_turn = nullptr;  ///< () -> bool: so, and nothing else runs on this thread
  PyObject* async_wake = nullptr;      ///< (): ends the turn that runs
  PyObject* host_failure = nullptr;    ///< (outcome, type, message, traceback, data) -> exception
  PyObject* operation_error = nullptr; ///< The type: (kind, code, message)
  PyObject* app_request = nullptr;     ///< (number, request): asks a web application, see apps.hpp
  PyObject* app_space = nullptr;       ///< (filename) -> namespace for an application's source
  PyObject* app_input = nullptr;       ///< (number, kind, code, bytes): more of such a request
  PyObject* operate = nullptr; ///< (mode, operands, namespace, owner) -> value or a `pending`
  PyObject* pending = nullptr; ///< The type of what is still to be awaited.
  PyObject* int_bit_length = nullptr;
  PyObject* int_to_bytes = nullptr;
  PyObject* is_signed = nullptr; ///< {"signed": True}
};

/// What the module owns. One per process, because signal handlers, fork handlers and CPython's own
/// callbacks reach it from nowhere; everything else is passed a reference.
struct runtime {
  execution_table executions;
  channel out;
  inbox in;
  capture output{out, executions};
  interrupts interrupt{executions, in};
  code_cache cells;
  namespaces spaces;
  python_parts python;
  ref_table refs;
  value_parts values;
  std::string spare;              ///< Memory of the last finished frame, to be used again.
  std::string item_spare;         ///< Memory of the last item of a stream.
  std::uint64_t last_call = 0;    ///< To the host.
  std::uint64_t functions_of = 0; ///< Connection that functions in values to be read belong to.
  bool serving = false;
  bool forked = false;       ///< This process is a child that tenant code forked.
  bool asynchronous = false; ///< There has been an asynchronous execution.
};

runtime& the_runtime() noexcept;

} // namespace vivarium::interp
