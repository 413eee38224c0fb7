// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vivarium {

/// What somebody may do: use the API as their tenant, or see to the daemon as well.
enum class role : std::uint8_t { client, admin };
[[nodiscard]] constexpr std::string_view name_of(role what) noexcept {
  return what == role::admin ? "admin" : "client";
}
[[nodiscard]] constexpr std::optional<role> role_of(std::string_view name) noexcept {
  if (name == "client")
    return role::client;
  if (name == "admin")
    return role::admin;
  return std::nullopt;
}

/// A client certificate that stands for a tenant: by its subject or by one of its names.
struct certificate_rule {
  std::string subject;
  std::string name;
  std::string tenant;
  role what = role::client;
};

/// What the configuration says of authentication.
struct auth_settings {
  std::string keys; ///< Absolute path of the key file; empty: there are no keys.
  std::vector<certificate_rule> certificates;

  /// Whether a client has to say who it is.
  [[nodiscard]] bool asked() const noexcept { return !keys.empty() || !certificates.empty(); }
};

} // namespace vivarium
