// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace vivarium::cli {

/// Whether a person who typed `source` (whole lines) is still in the middle of a statement: an open
/// bracket or triple-quoted string, a backslash at the end, or a block that no blank line has
/// ended. A guess that only decides when to submit; CPython has the last word on syntax.
[[nodiscard]] bool needs_more(std::string_view source);

} // namespace vivarium::cli
