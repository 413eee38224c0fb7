// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vivarium {

using trace_id = std::array<std::uint8_t, 16>;
using span_id = std::array<std::uint8_t, 8>;

/// A place in a distributed trace, as W3C Trace Context hands it on in `traceparent`.
struct trace_context {
  trace_id trace{}; ///< All zero: there is none.
  span_id span{};
  bool sampled = false;

  [[nodiscard]] bool known() const noexcept { return trace != trace_id{}; }
};

/// Where a piece of work stands in a trace. A value that goes along with the work; made on any
/// thread.
struct trace_place {
  trace_context self;    ///< What is handed on to whatever is done for it.
  span_id parent{};      ///< All zero: it is the first of its trace.
  bool recorded = false; ///< A collector is told of it: `self.span` is its own.

  /// A piece of work within this one, with a span of its own. What is not recorded has none: the
  /// client's is handed on as it came.
  [[nodiscard]] trace_place child() const;
  /// Another one beside it.
  [[nodiscard]] trace_place sibling() const;
};

/// Reads `traceparent` as the specification demands: lower case, exact lengths, no zero ids,
/// version ff never, later versions as far as they look like the first. Nothing for what is
/// malformed, which is then as if it had not been sent.
[[nodiscard]] std::optional<trace_context> parse_traceparent(std::string_view text) noexcept;

/// Writes it in version 00; empty when there is none.
[[nodiscard]] std::string traceparent_of(const trace_context& what);

/// Appends bytes in lower-case hexadecimal.
void append_hex(std::string& out, const std::uint8_t* bytes, std::size_t count);

/// Fresh ids, never zero.
[[nodiscard]] trace_id new_trace_id();
[[nodiscard]] span_id new_span_id();

} // namespace vivarium
