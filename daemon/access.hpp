// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/http_request.hpp"
#include "proto/result.hpp"
#include "proto/trace_context.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace vivarium {

/// Which names the daemon answers to, and which web pages may talk to it. Both checks exist because
/// of browsers: a page that the user visits can reach a port on loopback, by its own origin or by
/// rebinding a name of its own to 127.0.0.1, and without keys that port runs code.
class access_rules {
public:
  /// With `authenticated`, where every request carries a key, an address is a good `Host` as well:
  /// only a name can be rebound.
  access_rules(std::vector<std::string> hosts, std::vector<std::string> origins,
               bool authenticated = false);

  /// Refuses with `permission_denied` a `Host` that is not ours or an `Origin` that was not
  /// configured, and with `invalid_argument` a request without exactly one `Host`.
  [[nodiscard]] status check(const http_request& request) const;
  // Its parts.
  [[nodiscard]] status check_host(const http_request& request) const;
  [[nodiscard]] status check_origin(const http_request& request) const;
  [[nodiscard]] static status check_one_host(const http_request& request);

private:
  [[nodiscard]] bool known_host(std::string_view host) const;

  std::vector<std::string> hosts_;
  std::vector<std::string> origins_;
  bool authenticated_;
};

/// Returns the request's id as the client gave it, when it is harmless, or a new one.
[[nodiscard]] std::string request_id_of(const http_request& request);

/// Returns the same of an id that is named otherwise than in a header; empty when it is not
/// harmless.
[[nodiscard]] std::string_view harmless_id(std::string_view given) noexcept;

/// Returns the W3C trace context when there is exactly one and it is well-formed, else none.
[[nodiscard]] trace_context trace_context_of(const http_request& request) noexcept;

} // namespace vivarium
