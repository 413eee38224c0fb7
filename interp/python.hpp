// SPDX-License-Identifier: Apache-2.0
#pragma once

// CPython's stable ABI of 3.11: one build of the module serves every later CPython.
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030B0000
#endif
#define PY_SSIZE_T_CLEAN
#include <Python.h>
