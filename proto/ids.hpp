// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace vivarium {

/// Kinds of ids; each has its own prefix on the wire.
enum class id_kind { session, execution, request, name_space, mailbox, app };

/// Makes a fresh id: prefix, node and generation part ("0"), then 128 random bits in base32, e.g.
/// "ses_0k3vq…". Unguessable. Any thread.
[[nodiscard]] std::string make_id(id_kind kind);

/// Returns 128 random bits as 26 characters of base32. Unguessable. Any thread.
[[nodiscard]] std::string random_text();

/// Returns 128 random bits. Unguessable. Any thread.
[[nodiscard]] std::array<std::uint8_t, 16> random_bytes();

/// Returns whether `text` starts with the prefix of `kind`, so that it can only be an id, not a
/// name.
[[nodiscard]] bool looks_like_id(id_kind kind, std::string_view text) noexcept;

/// Checks a name that a user chose: `[a-z0-9][a-z0-9-]{0,62}`. Names cannot collide with ids, which
/// contain an underscore.
[[nodiscard]] status check_name(std::string_view name);

} // namespace vivarium
