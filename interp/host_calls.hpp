// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "interp/python.hpp"

namespace vivarium::interp {

// Calls of Python code to the application that owns the session, and what it tells beside output:
// the native half of `vivarium/_host.py` and `_logging.py`. Each needs the GIL and may be called
// from any thread; in a process that was forked off they raise.

/// host_call(kind, name, args, kwargs, timeout in ms or 0, connection or 0) -> value: waits. `kind`
/// is that of bridge::host_call.
PyObject* host_call(PyObject*, PyObject* arguments);
/// host_open(kind, name, args, kwargs, timeout, connection, arrived) -> number of the call;
/// `arrived()` is called when the answer is there, on whichever thread reads.
PyObject* host_open(PyObject*, PyObject* arguments);
/// host_take(number) -> value, of an answer that has arrived.
PyObject* host_take(PyObject*, PyObject* arguments);
/// host_forget(number): nobody waits any more.
PyObject* host_forget(PyObject*, PyObject* arguments);
/// host_cast(name, args, kwargs, connection): nobody waits.
PyObject* host_cast(PyObject*, PyObject* arguments);
/// host_flush(): what was opened leaves now.
PyObject* host_flush(PyObject*, PyObject*);
/// take_in() -> whether the main thread has work: reads what is there.
PyObject* take_in(PyObject*, PyObject*);
/// tell_log(level, logger, message, file, line, function, time in us, thread, traceback, metadata).
PyObject* tell_log(PyObject*, PyObject* arguments);
/// tell_progress(done, total, text).
PyObject* tell_progress(PyObject*, PyObject* arguments);

} // namespace vivarium::interp
