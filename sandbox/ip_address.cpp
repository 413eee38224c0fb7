// SPDX-License-Identifier: Apache-2.0
#include "sandbox/ip_address.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>

namespace vivarium::sandbox {

namespace {

constexpr std::array<std::uint8_t, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

// IANA's registries of special-purpose addresses, and what clouds have put elsewhere.
const std::array<ip_network, 33>& special_ranges() {
  static const auto all = [] {
    constexpr std::array<const char*, 33> texts{
        "0.0.0.0/8",       // this network; 0.0.0.0 is the machine itself
        "10.0.0.0/8",      // private
        "100.64.0.0/10",   // shared by providers; 100.100.100.200 is a cloud's metadata
        "127.0.0.0/8",     // loopback
        "168.63.129.16",   // a cloud's host agent
        "169.254.0.0/16",  // link-local; 169.254.169.254 is most clouds' metadata
        "172.16.0.0/12",   // private
        "192.0.0.0/24",    // protocol assignments
        "192.0.2.0/24",    // documentation
        "192.88.99.0/24",  // 6to4 relays
        "192.168.0.0/16",  // private
        "198.18.0.0/15",   // benchmarks; stands for names in a worker
        "198.51.100.0/24", // documentation
        "203.0.113.0/24",  // documentation
        "224.0.0.0/4",     // multicast
        "240.0.0.0/4",     // reserved, and broadcast
        "::/96",           // unspecified, loopback, IPv4-compatible
        "64:ff9b::/96",    // NAT64
        "64:ff9b:1::/48",  // NAT64 of a site
        "100::/64",        // discard
        "2001::/32",       // Teredo
        "2001:2::/48",     // benchmarks
        "2001:10::/28",    // ORCHID
        "2001:20::/28",    // ORCHIDv2
        "2001:db8::/32",   // documentation
        "2002::/16",       // 6to4
        "3fff::/20",       // documentation
        "5f00::/16",       // segment routing
        "fc00::/7",        // unique local, a cloud's metadata among them
        "fe80::/10",       // link-local
        "fec0::/10",       // site-local, once
        "ff00::/8",        // multicast
        "::ffff:0:0:0/96", // translated IPv4
    };
    std::array<ip_network, texts.size()> out;
    for (std::size_t i = 0; i < texts.size(); ++i)
      out[i] = *ip_network::parse(texts[i]);
    return out;
  }();
  return all;
}

} // namespace

ip_address ip_address::v4(std::uint32_t host_order) noexcept {
  ip_address out;
  for (unsigned i = 0; i < 4; ++i)
    out.bytes_[i] = static_cast<std::uint8_t>(host_order >> (24 - 8 * i));
  return out;
}

ip_address ip_address::v6(const std::array<std::uint8_t, 16>& bytes) noexcept {
  ip_address out;
  if (std::equal(mapped.begin(), mapped.end(), bytes.begin())) {
    std::copy(bytes.begin() + mapped.size(), bytes.end(), out.bytes_.begin());
    return out;
  }
  out.v4_ = false;
  out.bytes_ = bytes;
  return out;
}

std::optional<ip_address> ip_address::parse(std::string_view text) {
  std::string copy{text};
  std::array<std::uint8_t, 16> bytes{};
  if (copy.find('\0') != std::string::npos)
    return std::nullopt;
  if (::inet_pton(AF_INET, copy.c_str(), bytes.data()) == 1) {
    ip_address out;
    out.bytes_ = bytes;
    return out;
  }
  if (::inet_pton(AF_INET6, copy.c_str(), bytes.data()) == 1)
    return v6(bytes);
  return std::nullopt;
}

std::uint32_t ip_address::as_v4() const noexcept {
  std::uint32_t out = 0;
  for (unsigned i = 0; i < 4; ++i)
    out = out << 8 | bytes_[i];
  return out;
}

std::string ip_address::text() const {
  std::array<char, INET6_ADDRSTRLEN> room{};
  ::inet_ntop(v4_ ? AF_INET : AF_INET6, bytes_.data(), room.data(), room.size());
  return room.data();
}

bool ip_network::contains(const ip_address& which) const noexcept {
  if (which.is_v4() != first.is_v4())
    return false;
  const auto& a = first.bytes();
  const auto& b = which.bytes();
  auto whole = bits / 8;
  if (!std::equal(a.begin(), a.begin() + whole, b.begin()))
    return false;
  auto rest = bits % 8;
  return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

std::optional<ip_network> ip_network::parse(std::string_view text) {
  auto slash = text.find('/');
  auto address = ip_address::parse(text.substr(0, slash));
  if (!address)
    return std::nullopt;
  unsigned most = address->is_v4() ? 32 : 128;
  ip_network out{*address, most};
  if (slash == std::string_view::npos)
    return out;
  auto digits = text.substr(slash + 1);
  auto read = std::from_chars(digits.data(), digits.data() + digits.size(), out.bits);
  if (read.ec != std::errc{} || read.ptr != digits.data() + digits.size() || out.bits > most)
    return std::nullopt;
  // A mapped address with IPv6's count of bits would mean something else.
  if (address->is_v4() && text.find(':') != std::string_view::npos)
    return std::nullopt;
  return out;
}

bool is_special(const ip_address& which) noexcept {
  const auto& all = special_ranges();
  return std::any_of(all.begin(), all.end(), [&](const auto& one) { return one.contains(which); });
}

std::string endpoint::text() const {
  auto host = address.text();
  return (address.is_v4() ? host : "[" + host + "]") + ":" + std::to_string(port);
}

std::optional<endpoint> from_sockaddr(const sockaddr_storage& raw, std::size_t size) {
  constexpr std::size_t least_v6 = offsetof(sockaddr_in6, sin6_scope_id);
  if (raw.ss_family == AF_INET && size >= sizeof(sockaddr_in)) {
    sockaddr_in in{};
    std::memcpy(&in, &raw, sizeof(in));
    return endpoint{ip_address::v4(ntohl(in.sin_addr.s_addr)), ntohs(in.sin_port)};
  }
  if (raw.ss_family == AF_INET6 && size >= least_v6) {
    sockaddr_in6 in{};
    std::memcpy(&in, &raw, sizeof(in));
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
    return endpoint{ip_address::v6(bytes), ntohs(in.sin6_port)};
  }
  return std::nullopt;
}

socklen_t to_sockaddr(const endpoint& from, int family, sockaddr_storage& into) noexcept {
  into = {};
  if (family == AF_INET) {
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_port = htons(from.port);
    std::memcpy(&out.sin_addr, from.address.bytes().data(), sizeof(out.sin_addr));
    std::memcpy(&into, &out, sizeof(out));
    return sizeof(out);
  }
  sockaddr_in6 out{};
  out.sin6_family = AF_INET6;
  out.sin6_port = htons(from.port);
  auto* to = out.sin6_addr.s6_addr;
  if (from.address.is_v4()) {
    std::copy(mapped.begin(), mapped.end(), to);
    std::memcpy(to + mapped.size(), from.address.bytes().data(), 4);
  } else {
    std::memcpy(to, from.address.bytes().data(), 16);
  }
  std::memcpy(&into, &out, sizeof(out));
  return sizeof(out);
}

} // namespace vivarium::sandbox
