// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace vivarium::interp {

/// Kinds of vivarium.v1.ErrorKind that failures of ours have.
enum class failure_kind : int { limit = 7, not_found = 10, invalid_argument = 15, value = 16 };

/// Sets `vivarium._errors.OperationError(kind, code, message)` as the Python error: something that
/// the client asked for cannot be done, and no Python code is to blame. Needs the GIL.
void raise_failure(failure_kind kind, const char* code, const std::string& message);

} // namespace vivarium::interp
