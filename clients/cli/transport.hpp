// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "clients/cli/address.hpp"
#include "proto/result.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace vivarium::cli {

/// One HTTP request.
struct http_request {
  enum class verb { get, post };
  verb method = verb::post;
  std::string path;
  std::string content_type; ///< Empty without a body.
  std::string body;
};

/// The answer to it.
struct http_response {
  unsigned status = 0;
  std::string content_type;
  std::string body; ///< Empty when it went to a sink.
};

/// Takes pieces of a body as they arrive; returns false to stop reading.
using body_sink = std::function<bool(std::string_view)>;

/// A blocking HTTP/1.1 connection. One request at a time; reconnects when the daemon closed the
/// connection between two of them. Not for use by two threads at once.
class transport {
public:
  virtual ~transport() = default;
  /// Sends a request and reads its answer; the body of an answer with status 200 goes to `sink`
  /// when there is one. Fails with `unavailable` when the daemon cannot be reached.
  virtual result<http_response> send(const http_request& what, const body_sink& sink) = 0;

  /// Opens nothing yet. `api_key` is sent as a bearer token unless it is empty.
  static std::unique_ptr<transport> make(address where, std::string api_key);
};

} // namespace vivarium::cli
