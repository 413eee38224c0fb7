// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/http_rules.hpp"
#include "proto/unique_fd.hpp"
#include "sandbox/ip_address.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vivarium {

/// How long a visit lasts: whoever makes the connection holds this, and its end is the visit's.
/// Reactor thread.
class visit_life {
public:
  visit_life() = default;
  visit_life(const visit_life&) = delete;
  visit_life& operator=(const visit_life&) = delete;
  ~visit_life() {
    if (on_end_)
      on_end_();
  }
  /// Called once, by the destructor; the last one set holds.
  void on_end(std::function<void()> fn) { on_end_ = std::move(fn); }

private:
  std::function<void()> on_end_;
};

/// A connection of a session's to a server that HTTP rules are about.
struct http_visit {
  http_origin origin;
  std::weak_ptr<visit_life> life; ///< Gone: the session has let go of the connection.
  std::shared_ptr<const std::vector<http_rule>> rules;
  std::string ca; ///< PEM that servers are checked with beside the system's; may be empty.
  std::chrono::milliseconds timeout{30'000}; ///< For each step of a request.
  /// Opens a connection to the server, as far as the session's egress policy goes. Answered once,
  /// on the reactor thread, with an established socket or why there is none.
  using connected = std::function<void(result<unique_fd>)>;
  std::function<void(connected)> connect;
  /// A request was decided on: one of "allowed", "refused", "malformed", "unreachable", ...
  std::function<void(std::string_view outcome, std::string_view method)> report;
};

/// Who speaks HTTP in the place of servers, for sessions that have rules. Sessions' connections are
/// made to `address()`; who comes there from an expected port is that session, everybody else is
/// shown the door. Reactor thread.
class http_gate {
public:
  virtual ~http_gate() = default;
  /// Where connections are taken in: an address of loopback. The first call may begin to listen.
  [[nodiscard]] virtual result<sandbox::endpoint> address() = 0;
  /// The connection from that port of loopback is this visit. Before the reactor's next turn.
  virtual void expect(std::uint16_t from_port, http_visit what) = 0;
  /// The certificate, as PEM, that what it shows for https is signed with.
  [[nodiscard]] virtual result<std::string> authority_certificate() = 0;
};

} // namespace vivarium
