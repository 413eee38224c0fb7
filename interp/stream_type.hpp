// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "interp/python.hpp"

namespace vivarium::interp {

/// Makes the type `Stream`, the fast half of sys.stdout and sys.stderr: `Stream(which)` with
/// `write`, `flush` and `write_bytes`. The rest of a text stream is Python, in
/// vivarium/_streams.py. Returns a new reference, or null with an error set.
PyObject* make_stream_type(PyObject* module);

} // namespace vivarium::interp
