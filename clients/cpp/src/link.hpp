// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "clients/cpp/src/address.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace boost::asio {
class io_context;
}

namespace vivarium {
inline namespace client_v1 {
namespace detail {

/// An open WebSocket. Any thread.
class link {
public:
  virtual ~link() = default;
  /// Sends a binary message, after those before.
  virtual void send(std::string message) = 0;
  /// Sends what is still to be sent and closes; gives up after a moment.
  virtual void close() = 0;
  /// Calls back on the link's thread, unless it is closed before.
  virtual void after(std::chrono::milliseconds pause, std::function<void()> act) = 0;
};

/// What becomes of a link; called on its thread.
struct link_events {
  std::function<void(std::string_view)> message;
  /// Once, with the reason, after which nothing comes any more.
  std::function<void(const std::string&)> closed;
};

/// How a link is opened.
struct link_options {
  address where;
  std::string api_key;
  std::string ca_file;
  std::string traceparent;
  std::chrono::milliseconds timeout{0};
  std::chrono::seconds idle_timeout{0};
  std::size_t max_message = 0;
};

/// What came of opening: a link, or why there is none.
struct opened {
  std::shared_ptr<link> open;
  std::string why;
  std::string answer; ///< Body of the answer when the daemon refused.
  std::string request_id;
};

/// Opens `/v1/ws` and calls back, in the context.
void open_link(boost::asio::io_context& context, link_options how, link_events events,
               std::function<void(opened)> then);

/// Status and body of a GET; `why` is set when there was no answer.
struct fetched {
  unsigned status = 0;
  std::string body;
  std::string why;
};
[[nodiscard]] fetched fetch(const link_options& how, const std::string& path);

} // namespace detail
} // namespace client_v1
} // namespace vivarium
