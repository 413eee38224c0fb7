// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace vivarium::bridge {

// Small values that the daemon itself makes, e.g. the operands of an operation: each function
// returns an encoded vivarium.v1.Value, and takes encoded ones for what it contains.

[[nodiscard]] std::string none_value();
[[nodiscard]] std::string int_value(std::int64_t value);
[[nodiscard]] std::string text_value(std::string_view utf8);
[[nodiscard]] std::string list_value(std::span<const std::string> items);
[[nodiscard]] std::string tuple_value(std::span<const std::string> items);
/// A dict whose keys are texts.
[[nodiscard]] std::string dict_value(std::span<const std::pair<std::string, std::string>> entries);

} // namespace vivarium::bridge
