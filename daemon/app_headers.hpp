// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bridge/app_messages.hpp"
#include "proto/result.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vivarium {

/// Where an application is met by a client: by a path of the daemon's, whose origin it shares with
/// the API and with other applications, or by a host name of its own.
struct app_place {
  std::string prefix; ///< "/apps/<name>", or empty.
  bool own_host = false;
};

/// The header lines of an application's response that reach the client, each with its CRLF.
struct app_head {
  std::string lines;
  std::optional<std::uint64_t> length; ///< Of the body, as the application has it.
};

/// Sorts out what an application may say: framing and the connection are the daemon's business; so
/// are, where it shares an origin, cookies of others and whatever holds for the origin as a whole.
/// Such a page is sandboxed: to a browser its origin is none. Refuses with `malformed` a length
/// that is none.
[[nodiscard]] result<app_head> app_head_for(const app_place& at, const bridge::app_response& from);

/// A Set-Cookie of an application, confined to the place; nothing when it must not be set at all.
[[nodiscard]] std::optional<std::string> confined_cookie(const app_place& at,
                                                         std::string_view cookie);

} // namespace vivarium
