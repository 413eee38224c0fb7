// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"

#include <cstdint>
#include <vector>

#include <linux/filter.h>

namespace vivarium::sandbox {

enum class filter_kind : std::uint8_t {
  strict,
  allow_all, ///< Layer left out by a test; there still is a listener.
};

/// Compiles the filter that every worker loads, once per zygote: an allow-list with checked
/// arguments. What has no honest use kills; probes that libraries make get an errno at once; every
/// other refused call goes to the listener, where the daemon records it and answers with an errno.
/// Blocks never: the kernel loads the result with `seccomp(2)`.
result<std::vector<sock_filter>> compile_filter(filter_kind kind);

} // namespace vivarium::sandbox
