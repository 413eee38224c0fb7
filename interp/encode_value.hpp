// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bridge/worker_protocol.hpp"
#include "interp/object_text.hpp"
#include "interp/python.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

namespace vivarium::interp {

class ref_table;

/// How an encoding ended.
enum class encoded {
  ok,
  too_large, ///< Over the limit of bytes.
  too_many,  ///< Over the limit of parts.
  too_deep,  ///< Containers nest too deeply.
  failed,    ///< A Python error is set.
};

/// How an object is to be encoded.
struct encode_options {
  std::size_t max_bytes = 0;
  bridge::value_options values = bridge::plain_values;
  std::uint64_t owner = 0;    ///< Of the refs that are made.
  ref_table* refs = nullptr;  ///< Null: what would be a ref is told by its repr.
  PyObject* custom = nullptr; ///< Encoder of the tenant's for objects without a form, or null.
  int depth = 0;              ///< How many messages are around it that count against the bound.
};

/// Appends the body of a vivarium.v1.Value to `out`; on anything but `ok` what was appended is
/// garbage. Runs tenant code only for objects that are no plain data (their time zones, encoders,
/// reprs and lengths), and survives what it does. What has no form fails with an OperationError
/// where the options say so. Needs the GIL.
encoded append_value(std::string& out, PyObject* object, const encode_options& options);

} // namespace vivarium::interp
