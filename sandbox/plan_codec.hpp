// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/unique_fd.hpp"
#include "sandbox/jail.hpp"

#include <optional>

namespace vivarium::sandbox {

/// How the jail gives its workers an identity of their own.
enum class uid_mode : std::uint8_t {
  range,  ///< The daemon is root: 65,536 host uids, one per worker.
  single, ///< An ordinary user: one host uid, a user namespace per worker.
};

/// What the launcher and the zygote are told: the plan, and how its uids are mapped.
struct jailed_plan {
  jail_plan plan;
  uid_mode mode = uid_mode::single;
  std::uint32_t outer_uid = 0; ///< The daemon's.
  std::uint32_t outer_gid = 0;

  /// Where the runtime directory is found from inside.
  [[nodiscard]] std::string runtime_inside() const;
  [[nodiscard]] bool has(layer which) const noexcept { return !plan.without.contains(which); }
};

/// The plan as bytes, and back; nothing when they are none.
[[nodiscard]] std::string plan_bytes(const jailed_plan& what);
[[nodiscard]] std::optional<jailed_plan> plan_of(std::string bytes);

/// Writes the plan into a sealed memory file. Every process of the jail reads the same one.
result<unique_fd> encode_plan(const jailed_plan& what);

/// Reads the plan back; does not move or close `fd`.
std::optional<jailed_plan> decode_plan(int fd);

} // namespace vivarium::sandbox
