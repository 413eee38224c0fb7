// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "interp/python.hpp"

namespace vivarium::interp {

// The zygote's functions of the module, for vivarium/_zygote.py. One thread.

/// adopt() -> list of the modules to import.
PyObject* zygote_adopt(PyObject*, PyObject*);
/// report_failure(text).
PyObject* zygote_report_failure(PyObject*, PyObject* text);
/// serve(child): says that the zygote is ready, then forks a worker for every order; in each,
/// calls `child()`, which does not return. Returns when no more orders come.
PyObject* zygote_serve(PyObject*, PyObject* child);

} // namespace vivarium::interp
