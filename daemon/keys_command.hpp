// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/config.hpp"
#include "daemon/options.hpp"

#include <iosfwd>

namespace vivarium {

/// Does what `vivariumd keys` was asked, on the file that it names, else the configured one, else
/// the usual one. A new key goes to `out` and nothing else does; the rest is for `notes`.
[[nodiscard]] status run_keys(const keys_request& asked, const config& with, std::ostream& out,
                              std::ostream& notes);

} // namespace vivarium
