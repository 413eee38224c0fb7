// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/wire.hpp"
#include "daemon/wire_value.hpp"

#include <protozero/pbf_reader.hpp>

#include <cstdint>

namespace vivarium::wire {

/// What shall run as it was read: nothing is filled in and no enum judged. Views point into the
/// request.
struct eval_fields {
  submission what;
  std::int32_t format = 0;
  std::int32_t queue = 0;
  std::int32_t disconnect = 0;
  std::int32_t affinity = 0;
  value_fields values;
  named_values variables;
};

/// Reads a field of RunOptions.
[[nodiscard]] status read_run_option(eval_fields& into, protozero::pbf_reader& reader);

/// Reads the limits of a session that is made for a request.
[[nodiscard]] status read_run_limits(submission& into, std::string_view bytes);

/// Reads what EvalRequest and CallRequest say of a session pool; skips all other fields.
[[nodiscard]] status read_pool_field(eval_fields& into, protozero::pbf_reader& reader);

/// Fills in what the request leaves unset, and checks what holds for all that runs.
[[nodiscard]] status settle_run(eval_fields& fields, const defaults* base);

/// Checks what was read and makes it a submission.
[[nodiscard]] result<submission> check_eval(eval_fields fields, const defaults* base = nullptr);

/// Decodes an EvalRequest or a CallRequest in binary, wherever it is embedded.
[[nodiscard]] result<submission> read_eval(std::string_view bytes, const defaults* base);
[[nodiscard]] result<submission> read_call(std::string_view bytes, const defaults* base);

} // namespace vivarium::wire
