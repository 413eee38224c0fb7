// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/http_request.hpp"

#include <cstddef>
#include <memory>
#include <string_view>

namespace vivarium {

/// Bounds on a request.
struct http_limits {
  /// From the first byte to the empty line; blanks around values do not count.
  std::size_t header_bytes = 16u << 10;
  std::size_t headers = 100;
  /// A larger body is read but not kept, so that who sends it can be answered.
  std::size_t body_bytes = 64u << 20;
};

/// A body of more than so many times the limit is refused at once.
inline constexpr std::uint64_t body_drained_at_most = 16;

/// Cuts a byte stream into HTTP/1.1 requests (Beast's parser, without its streams: bytes that came
/// in one read may hold several requests, and nothing is copied twice). Strict about what request
/// smuggling is made of: framing headers that contradict each other or appear twice are refused.
class http_parser {
public:
  explicit http_parser(http_limits limits);
  http_parser(http_parser&&) noexcept;
  http_parser& operator=(http_parser&&) noexcept;
  ~http_parser();

  enum class progress {
    need_more, ///< Not complete; whatever could be used is consumed.
    head,      ///< The head has just become complete; there is a body to come. Told once.
    complete,  ///< `request()` is complete.
    refused,   ///< `status()` and `reason()` say why; the stream is unusable.
  };

  /// Feeds bytes; `consumed` tells how many were used.
  progress feed(std::string_view bytes, std::size_t& consumed);

  [[nodiscard]] http_request& request() noexcept;
  [[nodiscard]] const http_request& request() const noexcept;
  [[nodiscard]] int status() const noexcept;
  [[nodiscard]] std::string_view reason() const noexcept;
  /// Whether the first byte of a request has been seen, whether its head is complete, and all of
  /// it.
  [[nodiscard]] bool begun() const noexcept;
  [[nodiscard]] bool head_done() const noexcept;
  [[nodiscard]] bool complete() const noexcept;
  /// Bytes of the body that are known to be missing still; 0 when that is not known.
  [[nodiscard]] std::size_t missing() const noexcept;

  /// To be called when the head has come: whoever feeds takes the body out of `request().body`
  /// after every piece, so that `most` bytes of it, and not `body_bytes`, are the bound.
  void take_pieces(std::uint64_t most) noexcept;

  /// Prepares for the next request.
  void restart();

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace vivarium
