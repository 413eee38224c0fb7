// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/wire_run.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace vivarium::wire {

/// Reads the JSON form of an EvalRequest when it is a plain one: known fields, once each, in their
/// usual spelling. Nothing for all else, right or wrong: libprotobuf decides about it.
[[nodiscard]] std::optional<eval_fields> read_eval_json(std::string_view json);

/// A ClientFrame in JSON, cut open: the request inside is left as it is.
struct client_frame_json {
  std::uint64_t id = 0;
  std::string_view field; ///< Name of the body's field, e.g. "eval".
  std::string_view body;  ///< Its JSON text.
  std::uint32_t credit = 0;
  std::string_view traceparent;
  std::string_view request_id;
};

/// Cuts a plain ClientFrame open, likewise.
[[nodiscard]] std::optional<client_frame_json> read_client_frame_json(std::string_view json);

} // namespace vivarium::wire
