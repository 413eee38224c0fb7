// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bridge/worker_protocol.hpp"
#include "interp/execution.hpp"
#include "interp/runtime.hpp"
#include "interp/streams.hpp"

namespace vivarium::interp {

/// Does what a request asks. A synchronous execution has put its answer on the channel when this
/// returns; an asynchronous one has become a task, whose end calls `finish_waiting`.
void execute(runtime& self, const bridge::evaluate& request);

/// What is done when the value of an execution is there, or null with a Python error set: it is
/// iterated, or the answer.
void conclude(runtime& self, execution& ended, py_ref value, reached where);

/// Ends the asynchronous execution `number` with the value, or, when it is null, with the Python
/// error that is set.
void finish_waiting(runtime& self, std::uint64_t number, PyObject* value);

/// Answers for an execution that is current. A null `value` means that a Python error is set. In a
/// child that tenant code forked nobody waits for the answer: there it leaves.
void finish(runtime& self, execution& ended, py_ref value);

/// A child that tenant code forked has come to the end of the code.
[[noreturn]] void leave_forked_child();

} // namespace vivarium::interp
