// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/auth_settings.hpp"
#include "proto/result.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// API keys as they are written down. A key is `viv_<id>_<secret>`: the id names it everywhere, the
// secret is 256 random bits and is kept as a hash only.

namespace vivarium {

/// SHA-256 of a secret. A slow hash is for what people choose: nobody tries out 256 random bits,
/// and a fast one lets the daemon check every request.
using key_hash = std::array<std::uint8_t, 32>;
[[nodiscard]] key_hash hash_of(std::string_view secret) noexcept;
/// Compares in a time that does not depend on the contents.
[[nodiscard]] bool same(const key_hash& a, const key_hash& b) noexcept;

/// The secret that a rotation replaced, while it still counts.
struct former_secret {
  key_hash hash{};
  std::chrono::sys_seconds until = {};
};

/// A key, without its secret.
struct api_key {
  using time = std::chrono::sys_seconds;

  std::string id;
  std::string tenant;
  role what = role::client;
  time created = {};
  std::optional<time> expires = {};
  key_hash hash{};
  std::optional<former_secret> before = {};

  /// Whether `secret` hashed to `by` opens this key at `now`.
  [[nodiscard]] bool opened_by(const key_hash& by, time now) const noexcept;
  [[nodiscard]] bool expired(time now) const noexcept { return expires && now >= *expires; }
};

/// What follows "Bearer " in `Authorization`; nothing when the header says something else.
[[nodiscard]] std::optional<std::string_view> bearer_of(std::string_view header) noexcept;

/// The two parts of a key as a client shows it.
struct shown_key {
  std::string_view id;
  std::string_view secret;
};
/// Takes a key apart; nothing when it does not look like one.
[[nodiscard]] std::optional<shown_key> parse_key(std::string_view text) noexcept;
/// Puts one together.
[[nodiscard]] std::string show_key(std::string_view id, std::string_view secret);

inline constexpr std::size_t max_key_file = 4u << 20;

/// What a key file holds, and what is wrong with it: a line that cannot be read is no key. A file
/// without its last line, `end`, is cut off or still being written.
struct key_file {
  std::vector<api_key> keys;
  std::vector<std::string> problems;
  bool complete = false;
};
[[nodiscard]] key_file parse_key_file(std::string_view text);
[[nodiscard]] std::string render_key_file(const std::vector<api_key>& keys);

/// Returns a point in time for people, e.g. "2026-11-06T08:49:37Z".
[[nodiscard]] std::string show_time(api_key::time when);

} // namespace vivarium
