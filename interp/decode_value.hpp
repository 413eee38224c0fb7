// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bridge/worker_protocol.hpp"
#include "interp/py_ref.hpp"

#include <string_view>

namespace vivarium::interp {

struct runtime;

/// Makes the object that an encoded vivarium.v1.Value stands for. Null with a Python error set: the
/// encoding is malformed, a ref is not there, a constructor raised, there is no memory. Runs tenant
/// code only for `construct` and for dict and set items that hash themselves. Needs the GIL.
py_ref decode_value(runtime& self, std::string_view encoded, const bridge::value_options& values);

} // namespace vivarium::interp
