// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "interp/encode_value.hpp"
#include "interp/execution.hpp"
#include "interp/py_ref.hpp"
#include "interp/runtime.hpp"

#include <string>

namespace vivarium::interp {

/// Puts the `finished` frame of an execution on the channel, after what is left of its output. A
/// null `value` means that a Python error is set. Never fails: what cannot be encoded becomes an
/// error that says so. From the moment that the content is encoded no interrupt can reach the
/// execution. What goes with the value and the namespace goes before the answer: its last words are
/// the execution's, and can be interrupted.
void append_answer(runtime& self, execution& ended, py_ref value);

/// Likewise for an execution that was not started.
void append_expired(runtime& self, const execution& skipped);

/// Appends the body of an item of a stream in the form that was asked for.
encoded append_item_form(std::string& out, runtime& self, const execution& about, PyObject* item);

/// Says what is wrong with a result that is over one of the limits.
std::string why_not(encoded how, const execution& ended);

/// Tells that an execution waits and others have the interpreter: whoever watches the clock must
/// know whom to stop.
void tell_parked(runtime& self, std::uint64_t number);

} // namespace vivarium::interp
