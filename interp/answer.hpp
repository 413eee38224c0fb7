// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "interp/execution.hpp"
#include "interp/runtime.hpp"

namespace vivarium::interp {

/// Puts the `finished` frame of an execution on the channel, after what is left of its output. A
/// null `value` means that a Python error is set. Never fails: what cannot be encoded becomes an
/// error that says so. From the moment that the content is encoded no interrupt can reach the
/// execution.
void append_answer(runtime& self, execution& ended, PyObject* value);

/// Likewise for an execution that was not started.
void append_expired(runtime& self, const execution& skipped);

} // namespace vivarium::interp
