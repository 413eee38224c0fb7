// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <sys/socket.h>

namespace vivarium::sandbox {

/// An IPv4 or IPv6 address; a value. An IPv4-mapped IPv6 address is the IPv4 address it stands for,
/// always: no rule can be passed by in the other notation.
class ip_address {
public:
  ip_address() = default;
  [[nodiscard]] static ip_address v4(std::uint32_t host_order) noexcept;
  [[nodiscard]] static ip_address v6(const std::array<std::uint8_t, 16>& bytes) noexcept;
  /// Reads the usual notations, "10.1.2.3" with four parts only, and "fe80::1" without a zone.
  [[nodiscard]] static std::optional<ip_address> parse(std::string_view text);

  [[nodiscard]] bool is_v4() const noexcept { return v4_; }
  /// The IPv4 address in host order; only when it is one.
  [[nodiscard]] std::uint32_t as_v4() const noexcept;
  /// Network order; 4 bytes count of an IPv4 address.
  [[nodiscard]] const std::array<std::uint8_t, 16>& bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::string text() const;

  auto operator<=>(const ip_address&) const = default;

private:
  bool v4_ = true;
  std::array<std::uint8_t, 16> bytes_{};
};

/// A range of addresses that share their first bits.
struct ip_network {
  ip_address first;
  unsigned bits = 32;

  [[nodiscard]] bool contains(const ip_address& which) const noexcept;
  /// Reads an address, or one with "/bits"; bits beyond those are not set in the result.
  [[nodiscard]] static std::optional<ip_network> parse(std::string_view text);
};

/// Whether an address is anything but an ordinary public one: private, shared, link-local (where
/// clouds keep their metadata), loopback, unspecified, multicast, reserved, or one that stands for
/// an IPv4 address by translation or a tunnel.
[[nodiscard]] bool is_special(const ip_address& which) noexcept;

/// An address and a port.
struct endpoint {
  ip_address address;
  std::uint16_t port = 0;

  [[nodiscard]] std::string text() const; ///< "10.1.2.3:80", "[::1]:80"
  auto operator<=>(const endpoint&) const = default;
};

/// Reads what the kernel would; nothing when it is neither IPv4 nor IPv6, or too short.
[[nodiscard]] std::optional<endpoint> from_sockaddr(const sockaddr_storage& raw, std::size_t size);
/// Writes it for a socket of `family`; an IPv4 address becomes a mapped one for AF_INET6.
socklen_t to_sockaddr(const endpoint& from, int family, sockaddr_storage& into) noexcept;

} // namespace vivarium::sandbox
