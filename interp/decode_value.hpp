// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bridge/frame.hpp"
#include "bridge/validate.hpp"
#include "bridge/worker_protocol.hpp"
#include "interp/py_ref.hpp"

#include <string_view>

namespace vivarium::interp {

struct runtime;

/// Bounds for the operands of a request: values of clients, which the daemon has checked against
/// the defaults, inside a few lists and tuples of the protocol's own.
inline constexpr bridge::decode_bounds operand_bounds{
    .max_bytes = bridge::max_frame_bytes,
    .max_items = 2 * bridge::decode_bounds{}.max_items,
    .max_depth = bridge::decode_bounds{}.max_depth + 8,
};

/// Makes the object that an encoded vivarium.v1.Value stands for. Null with a Python error set: the
/// encoding is malformed, a ref is not there, a constructor raised, there is no memory. Runs tenant
/// code only for `construct` and for dict and set items that hash themselves. Needs the GIL.
py_ref decode_value(runtime& self, std::string_view encoded, const bridge::value_options& values,
                    const bridge::decode_bounds& bounds = operand_bounds);

} // namespace vivarium::interp
