// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/wire.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace vivarium::wire {

/// A ClientFrame, opened: its body is still encoded.
struct client_frame {
  std::uint64_t id = 0;
  std::uint32_t field = 0; ///< Number of the body's field; 0 when there is none.
  codec body_codec = codec::proto;
  std::string_view body;         ///< Points into the message, or into `owned`.
  std::uint32_t more_credit = 0; ///< When `field` is that of `more_credit`.
  std::uint32_t credit = 0;
  std::string_view traceparent; ///< As it came; this and the next are the message's or `owned`'s.
  std::string_view request_id;
  std::string owned;

  client_frame() = default;
  client_frame(client_frame&&) = delete; // `body` may point into `owned`
};

inline constexpr std::uint32_t more_credit_field = 13;
inline constexpr std::uint32_t abandon_field = 14;
inline constexpr std::uint32_t credit_field = 15;
inline constexpr std::uint32_t set_defaults_field = 28;
inline constexpr std::uint32_t answer_field = 30;
inline constexpr std::uint32_t last_body_field = 299;
inline constexpr std::uint32_t traceparent_field = 500;
inline constexpr std::uint32_t request_id_field = 501;
inline constexpr std::uint32_t end_field = 13;
inline constexpr std::uint32_t failure_field = 14;
inline constexpr std::uint32_t draining_field = 15;

/// Opens a message of the connection.
[[nodiscard]] status open_frame(client_frame& into, codec as, std::string_view bytes);

/// Returns the id of a message of which only the beginning is there; 0 when it does not show.
[[nodiscard]] std::uint64_t id_at_front(codec as, std::string_view beginning);

/// Appends what comes before and after the body of a ServerFrame. `request_id`: that the request
/// named, or empty.
void append_frame_head(std::string& out, codec as, std::uint64_t id, std::uint32_t field,
                       std::string_view name, std::size_t body_size,
                       std::string_view request_id = {});
[[nodiscard]] std::string_view frame_tail(codec as) noexcept;

/// Returns an encoded Failure.
[[nodiscard]] std::string encode_failure(codec as, const error& why, std::string_view request_id);

} // namespace vivarium::wire
