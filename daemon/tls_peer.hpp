// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/peer.hpp"

#include <openssl/ssl.h>

namespace vivarium {

/// Returns what the certificate of the other side says; nothing when it showed none whose chain was
/// verified.
[[nodiscard]] std::optional<peer_certificate> certificate_of(const SSL* connection);

} // namespace vivarium
