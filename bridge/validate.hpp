// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace vivarium::bridge {

/// How deep lists, tuples and sets may nest in a value. Clients' protobuf libraries stop at 100
/// nested messages, and such a container costs two, inside a handful of enclosing ones. A dict
/// costs three: of dicts alone 28 may nest.
inline constexpr int max_value_depth = 40;

/// Bounds on an encoded message from a worker.
struct decode_bounds {
  std::size_t max_bytes = 32u << 20;
  std::size_t max_items =
      4'000'000; ///< Nested messages in all: what a decoder would have to allocate.
  /// Nested messages: the containers, and the three of a datetime in the innermost one.
  int max_depth = 2 * max_value_depth + 7;
};

/// Walks an encoded message without building anything, and refuses what a strict decoder of
/// vivarium.v1 would not accept: truncated or unknown fields, wrong wire types, invalid UTF-8 in
/// strings, nesting or counts over the bounds, a value without a kind. Any thread.
status validate_value(std::string_view encoded, const decode_bounds& bounds = {});
status validate_error(std::string_view encoded, const decode_bounds& bounds = {});
status validate_display(std::string_view encoded, const decode_bounds& bounds = {});

status validate_log_record(std::string_view encoded, const decode_bounds& bounds = {});
status validate_progress(std::string_view encoded, const decode_bounds& bounds = {});
/// A HostError of a client's.
status validate_host_error(std::string_view encoded, const decode_bounds& bounds = {});

/// The content of the message `items` of worker_protocol.hpp: `count` values, or texts where the
/// form is repr.
status validate_items(std::string_view encoded, std::uint64_t count, bool as_repr,
                      const decode_bounds& bounds = {});

/// Returns whether `text` is valid UTF-8 (no surrogates, no overlong forms). Fast for ASCII.
[[nodiscard]] bool is_utf8(std::string_view text) noexcept;

/// Appends `text` with each invalid byte replaced by U+FFFD.
void append_utf8_lossy(std::string& out, std::string_view text);

} // namespace vivarium::bridge
