// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/http_rules.hpp"
#include "proto/result.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// HTTP/1.1 messages as a relay needs them: a head, and a body that comes in pieces. Pure, any
// thread.

namespace vivarium {

/// What stands before the body.
struct http_head {
  bool whole = false;
  unsigned version = 11;
  std::string method; ///< Of a request.
  std::string target;
  unsigned status = 0; ///< Of a response.
  std::string reason;
  std::vector<std::pair<std::string, std::string>> fields;
  bool chunked = false;
  std::optional<std::uint64_t> length;
  bool keep_alive = false;
  bool until_end = false; ///< Of a response: its body ends with the connection.

  [[nodiscard]] std::optional<std::string_view> field(std::string_view name) const;
  [[nodiscard]] std::size_t count(std::string_view name) const;
  [[nodiscard]] bool has_body() const noexcept { return chunked || until_end || length > 0u; }
};

/// Takes a message apart, as its bytes come. Refuses what two readers could read in two ways.
class http_message_reader {
public:
  enum class kind : std::uint8_t { request, response, response_to_head };
  explicit http_message_reader(kind what);
  http_message_reader(const http_message_reader&) = delete;
  http_message_reader& operator=(const http_message_reader&) = delete;
  ~http_message_reader();

  /// Takes what it can use from the front of `bytes`, which it removes; appends to `body` what is
  /// of the body, at most about 64 KiB at a time. `malformed` or `too_large`.
  [[nodiscard]] status take(std::string& bytes, std::string& body);
  /// The connection has ended: whole when the body was to end so.
  [[nodiscard]] status end();
  [[nodiscard]] bool has_head() const noexcept;
  [[nodiscard]] bool done() const noexcept;
  [[nodiscard]] const http_head& head() const noexcept { return head_; }

  static constexpr std::size_t most_head_bytes = 64u << 10;
  static constexpr std::size_t most_fields = 200;

private:
  struct impl;
  status read_head();
  status check_framing();
  std::unique_ptr<impl> impl_;
  http_head head_;
};

/// Decides whether a request is one that can be passed on; the text says why not, empty when it is.
[[nodiscard]] std::string check_request(const http_head& what, const http_origin& origin);
/// The head of the request for the server: the rule's headers in place of the guest's own.
[[nodiscard]] std::string head_for_server(const http_head& what, const http_origin& origin,
                                          const http_rule& rule);
/// The head of the response for the guest, without what holds a secret of the rule's. `chunked`:
/// how its body is written.
[[nodiscard]] std::string head_for_guest(const http_head& what, const http_rule& rule, bool chunked,
                                         bool close);
/// A response of our own.
[[nodiscard]] std::string plain_response(unsigned status, std::string_view reason,
                                         std::string_view body, bool close, bool with_body);
/// A piece of a chunked body; of no bytes its end.
[[nodiscard]] std::string chunk(std::string_view piece);

} // namespace vivarium
