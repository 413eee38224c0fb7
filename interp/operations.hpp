// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bridge/worker_protocol.hpp"
#include "interp/py_ref.hpp"
#include "interp/runtime.hpp"

namespace vivarium::interp {

/// Does what a request without source asks, see bridge::run_mode; `space` is the namespace that it
/// names. Returns the result, or a `python_parts::pending` whose awaitable brings it, or null with
/// a Python error set.
py_ref operate(runtime& self, const bridge::evaluate& request, PyObject* space);

} // namespace vivarium::interp
