// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bridge/worker_protocol.hpp"
#include "interp/execution.hpp"
#include "interp/runtime.hpp"

namespace vivarium::interp {

// An execution whose value is iterated. Items are encoded straight behind each other into the frame
// that the channel is about to send; Python is called for the next item and for nothing else.
//
// A synchronous iterator runs on the main thread as the current execution, so what it prints is
// its own and an interrupt with its number is raised in it. Out of credit it is suspended: it is no
// longer current, the worker serves others, and an interrupt can only be noted
// (`open_stream::stop`); the worker's loop then closes it. It also lets others in between two items
// when requests have arrived, about once a millisecond, since one of them may be the end of this
// very stream.
//
// An asynchronous iterator is pumped by a task on the session's event loop (vivarium/_async.py) and
// is an asynchronous execution in every other respect.
//
// A child that the iterator forks has a copy of it and runs on to the next item at most: there it
// leaves, without closing anything, because `finally` belongs to the parent.

/// At most so many are open in a session; the next one is the error "stream_limit".
inline constexpr std::size_t streams_at_most = 1000;

/// Where an execution comes to its value.
enum class reached { on_main_thread, in_event_loop };

/// Iterates `value`, the result of `begun`; sends the items that its credit allows, and the answer
/// if that was the end. Inside the event loop a synchronous iterator is only made ready.
void begin_stream(runtime& self, execution& begun, py_ref value, reached where);

/// Allows a stream more items, or closes it. One that has ended meanwhile is left in peace.
void pull_stream(runtime& self, const bridge::pull& request);

/// Goes on with a stream that is ready. True: there are more.
bool serve_streams(runtime& self);

/// What the pump of an asynchronous stream does next.
enum class after_item : int { go_on = 0, wait_for_credit = 1, let_others_run = 2 };

/// Sends an item of an asynchronous stream. False: a Python error is set.
bool send_item(runtime& self, std::uint64_t number, PyObject* item, after_item& next);

/// Whether a request waits to be read.
bool requests_waiting(const runtime& self) noexcept;

} // namespace vivarium::interp
