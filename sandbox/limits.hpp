// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

namespace vivarium::sandbox {

/// Limits that the kernel enforces on one worker.
struct worker_limits {
  std::uint64_t memory_bytes = 512ull << 20;   ///< Above the size of the fork (RLIMIT_AS and DATA).
  std::uint64_t workspace_bytes = 64ull << 20; ///< Size of the tmpfs.
  std::uint32_t workspace_inodes = 10'000;
  std::uint32_t threads = 32;
  std::uint32_t descriptors = 256;
  std::uint64_t file_bytes = 64ull << 20; ///< Of one file (RLIMIT_FSIZE).

  bool operator==(const worker_limits&) const = default;
};

/// What a fork has before it has run anything: limits on its memory count from there.
struct fork_size {
  std::uint64_t address_space = 0;
  std::uint64_t data = 0;
};

/// Room in the address space for each thread: its stack, and malloc's arenas, which reserve more
/// than they use.
inline constexpr std::uint64_t address_space_per_thread = 72ull << 20;

/// RLIMIT_AS of a worker.
[[nodiscard]] constexpr std::uint64_t address_space_limit(const fork_size& size,
                                                          const worker_limits& limits) noexcept {
  return size.address_space + limits.memory_bytes + address_space_per_thread * limits.threads;
}
/// RLIMIT_DATA of a worker.
[[nodiscard]] constexpr std::uint64_t data_limit(const fork_size& size,
                                                 const worker_limits& limits) noexcept {
  return size.data + limits.memory_bytes;
}

/// The layers of the sandbox that can be named: by `doctor`, by a metric, and by a test that leaves
/// one out to prove that it is this layer which stops an attack.
enum class layer : std::uint8_t {
  user_namespace,
  mount_namespace, ///< Own root and tmpfs.
  pid_namespace,
  network_namespace,
  ipc_namespace,
  landlock,
  seccomp,
  rlimits,
  capabilities,
  worker_uid, ///< Own host uid, or else own user namespace, per worker.
};

/// Returns the stable name of a layer, e.g. "landlock".
[[nodiscard]] std::string_view name_of(layer which) noexcept;

/// A set of layers.
class layer_set {
public:
  constexpr void insert(layer which) noexcept { bits_ |= 1u << static_cast<unsigned>(which); }
  [[nodiscard]] constexpr bool contains(layer which) const noexcept {
    return (bits_ & (1u << static_cast<unsigned>(which))) != 0;
  }
  [[nodiscard]] constexpr bool empty() const noexcept { return bits_ == 0; }
  [[nodiscard]] constexpr std::uint32_t bits() const noexcept { return bits_; }
  [[nodiscard]] static constexpr layer_set from_bits(std::uint32_t bits) noexcept {
    layer_set out;
    out.bits_ = bits;
    return out;
  }

private:
  std::uint32_t bits_ = 0;
};

} // namespace vivarium::sandbox
