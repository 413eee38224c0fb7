// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Which URLs a session may ask for. URLs are compared after they have been brought into one form,
// and what could mean two things to two readers is no URL: dot segments, encoded or not, encoded
// slashes, backslashes, credentials, control characters.

namespace vivarium {

/// Scheme, host and port, in the form that is compared.
struct http_origin {
  bool secure = false;
  std::string host; ///< A name in lower case, or an address; an IPv6 one without brackets.
  std::uint16_t port = 0;

  bool operator==(const http_origin&) const = default;
  /// As in a Host header: without the port when it is the scheme's.
  [[nodiscard]] std::string authority() const;
  [[nodiscard]] std::string text() const; ///< "https://host:port"
};

/// What may be asked of one part of a server.
struct http_rule {
  http_origin origin;
  std::string text;              ///< As it was written.
  std::vector<std::string> path; ///< Components, percent-decoded; empty: everything.
  bool all_methods = false;
  std::vector<std::string> methods; ///< When not all; never empty.
  /// Put into each request in place of the guest's own of that name. Secret.
  std::vector<std::pair<std::string, std::string>> headers;
};

/// Reads the prefix of a rule. The error says what is wrong.
[[nodiscard]] result<http_rule> parse_http_rule(std::string_view prefix);
/// Adds a method or "ALL".
[[nodiscard]] status add_method(http_rule& rule, std::string_view method);
/// Adds a header; refuses names that would change what a request is (Host, Content-Length, ...).
[[nodiscard]] status add_header(http_rule& rule, std::string_view name, std::string_view value);

/// Components of a request's path (before any "?"), percent-decoded; nothing when it has to be
/// refused. A trailing slash is an empty last component;
/// elsewhere there is none.
[[nodiscard]] std::optional<std::vector<std::string>> split_path(std::string_view path);

/// What the rules say to a request.
struct http_decision {
  const http_rule* rule = nullptr; ///< Null: refused.
  std::string refusal;             ///< For the guest: what is wrong and which option changes it.
};
/// `target` is that of the request line, in origin form.
[[nodiscard]] http_decision decide(const std::vector<http_rule>& rules, const http_origin& origin,
                                   std::string_view method, std::string_view target);

} // namespace vivarium
