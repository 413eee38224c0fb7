// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace vivarium {

/// What messages of a tenant may take. A mailbox that is full lets its oldest messages go; all else
/// refuses what would go beyond.
struct mail_limits {
  std::size_t message_bytes = 1u << 20; ///< Of one message.
  std::size_t messages = 1'000;         ///< That wait in one mailbox.
  std::size_t bytes = 4u << 20;         ///< Of those.
  std::size_t tenant_bytes = 64u << 20; ///< That wait in all mailboxes of a tenant.
  std::size_t mailboxes = 20'000;       ///< Of a tenant.
};

} // namespace vivarium
