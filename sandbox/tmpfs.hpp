// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace vivarium::sandbox {

/// What every worker finds on its tmpfs (directories and files of ours); it does not count against
/// the tenant's inodes.
inline constexpr std::uint32_t furniture_inodes = 10;

/// Gives a mounted tmpfs another size and number of inodes. `root` is a descriptor of the mount's
/// root; the caller has the capabilities of the user namespace that it was mounted in. Returns 0 or
/// an errno; EINVAL when more is in use than there would be.
int resize_tmpfs(int root, std::uint64_t bytes, std::uint32_t inodes) noexcept;

} // namespace vivarium::sandbox
