// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vivarium/stream.hpp>

namespace vivarium {
inline namespace client_v1 {

/// A message between sessions and clients of a tenant.
struct message {
  std::uint64_t sequence = 0;
  std::string sender; ///< Id of the session that sent it; empty when a client did.
  std::string to;
  value content;
  std::chrono::system_clock::time_point time{};
  std::uint64_t lost_before = 0; ///< Messages before this one that were dropped.
};

/// Messages as they come, without end: a loop over it is a message loop. Its `cancel`, from another
/// thread, ends the loop.
using message_stream = basic_stream<message>;

} // namespace client_v1
} // namespace vivarium
