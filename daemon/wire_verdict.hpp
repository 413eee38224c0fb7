// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/wire.hpp"

#include <string>

namespace vivarium::wire {

/// Whether a verdict repeats what its execution wrote and displayed.
enum class fold : std::uint8_t { no, yes };

/// Appends the verdict of an execution that has ended as field `field` of an enclosing message.
void append_verdict(std::string& out, std::uint32_t field, const execution& source,
                    result_format format, fold output);

/// Appends the JSON form of the verdict when that can be done by hand: a natural, textual or absent
/// result, and no displays. Returns whether it was done; nothing is appended otherwise.
[[nodiscard]] bool append_verdict_json(std::string& out, const execution& source,
                                       result_format format, fold output);

/// Appends a vivarium.v1.Usage as a field.
void append_usage(std::string& out, std::uint32_t field, const usage& used);
/// An encoded vivarium.v1.Cause.
[[nodiscard]] std::string encode_cause(const cause& what);

/// The form that a verdict of `source` takes for a client of codec `as`.
[[nodiscard]] result_format format_of(codec as, const execution& source);

} // namespace vivarium::wire
