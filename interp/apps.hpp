// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bridge/worker_protocol.hpp"
#include "interp/execution.hpp"
#include "interp/runtime.hpp"

namespace vivarium::interp {

// Requests to web applications: the native half of `vivarium/_apps.py`. A request is an
// asynchronous execution with credit, so it is among those that wait from its first step on; a
// response that is whole when the application returns is its result and needs no items.

/// Asks an application; ends `begun`, or has it wait.
void ask_app(runtime& self, const bridge::evaluate& request, execution& begun);
/// Hands more input to whoever waits for it. One that has ended meanwhile is left in peace.
void take_app_input(runtime& self, const bridge::app_input& input);

/// app_open(number): its response comes in items, `send_item` sends them.
PyObject* app_open(PyObject*, PyObject* arguments);
/// app_finish(number, response): the whole response, and the end.
PyObject* app_finish(PyObject*, PyObject* arguments);
/// app_taken(number, bytes): so much input has been taken.
PyObject* app_taken(PyObject*, PyObject* arguments);

} // namespace vivarium::interp
