// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"
#include "sandbox/ip_address.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vivarium {

/// One destination that a policy allows: a host by name, or a range of addresses; and ports.
struct egress_rule {
  std::string text;             ///< As it was written.
  std::string name;             ///< Canonical, see canonical_host; empty: by address.
  sandbox::ip_network network;  ///< When there is no name.
  std::uint16_t first_port = 0; ///< Inclusive, as is the last.
  std::uint16_t last_port = 0;
};

/// What sessions that have the policy may connect to. A value; checked by whoever parsed it.
struct egress_policy {
  std::vector<egress_rule> allow;
  /// Addresses that are not public and may be reached all the same, where `allow` allows them.
  std::vector<sandbox::ip_network> allow_private;
  /// Addresses of names, instead of asking DNS.
  std::map<std::string, std::vector<sandbox::ip_address>> resolve;
  std::uint64_t connections = 1'000; ///< Of a session, in all.
  std::size_t open = 64;             ///< At once.
  std::uint64_t bytes = 1ull << 30;  ///< Of a session in all, both ways.
  std::chrono::milliseconds connect_timeout{10'000};
  std::string http_ca; ///< PEM that servers are checked with under HTTP rules, beside the system's.
  std::chrono::milliseconds http_timeout{30'000}; ///< For each step of a request under HTTP rules.
};

/// How an attempt to connect ended. The names are stable: metrics and the audit log show them.
enum class egress_outcome : std::uint8_t {
  connected,
  malformed,         ///< No socket, no address.
  not_tcp,           ///< Anything but a TCP connection.
  no_policy,         ///< The session has none.
  not_allowed,       ///< The policy does not name the destination.
  private_address,   ///< Not public, and not in `allow_private`.
  own_listener,      ///< A port that the daemon itself listens on.
  no_such_host,      ///< The name has no address.
  unreachable,       ///< The network or the other side refused.
  timed_out,         ///< Nothing within `connect_timeout`.
  interrupted,       ///< By the session's own deadline or cancellation.
  too_many_open,     ///< `open`
  connection_budget, ///< `connections`
  byte_budget,       ///< `bytes`
};
[[nodiscard]] std::string_view name_of(egress_outcome how) noexcept;

/// Brings a host's name into the one form that is compared: lower case, without the dot at the end.
/// Nothing for what is none, or is no A-label, or could be taken for an address.
[[nodiscard]] std::optional<std::string> canonical_host(std::string_view text);

/// Reads "host:port": host a name, an address, or a range such as 10.1.0.0/16; IPv6 in brackets;
/// port a number, "first-last" or "*". The error says what is wrong.
[[nodiscard]] result<egress_rule> parse_egress_rule(std::string_view text);

/// What a session's names stand for, and what it may reach. A worker cannot ask DNS: each name that
/// its policy has is given an address of 198.18.0.0/15 in its /etc/hosts, and what it connects to
/// there is looked up here by name. So a name is allowed as a name, whatever it resolves to.
class egress_map {
public:
  /// `policy` outlives this.
  explicit egress_map(const egress_policy& policy);

  /// Content of the worker's /etc/hosts.
  [[nodiscard]] std::string hosts_file() const;

  struct destination {
    std::string name; ///< Empty: the address itself.
    sandbox::endpoint where;
  };
  /// Finds out what is wanted; nothing when the policy does not allow it.
  [[nodiscard]] std::optional<destination> find(const sandbox::endpoint& wanted) const;

private:
  const egress_policy& policy_;
  std::vector<std::string> names_; // Sorted; the place decides the address.
};

/// Whether an address may be connected to, whoever asked for it by whatever name. `own` are the
/// listeners of the daemon; one with the address 0.0.0.0 or :: is on every address of this machine.
[[nodiscard]] egress_outcome check_address(const egress_policy& policy,
                                           const sandbox::endpoint& where,
                                           const std::vector<sandbox::endpoint>& own);

} // namespace vivarium
