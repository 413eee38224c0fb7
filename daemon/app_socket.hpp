// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/app_exchange.hpp"
#include "daemon/connection.hpp"
#include "daemon/endpoint.hpp"
#include "daemon/ws_frame.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace vivarium {

/// A WebSocket between a client and an application. Neither is read from while the other does not
/// take what has come.
class app_socket final : public conversation, public std::enable_shared_from_this<app_socket> {
public:
  /// Whether a request is a proper handshake.
  [[nodiscard]] static bool is_asked_for(const http_request& request);
  /// The lines of the 101; `protocol` is what the application has chosen, or empty.
  [[nodiscard]] static std::string answer_lines(const http_request& request,
                                                std::string_view protocol);
  [[nodiscard]] static std::shared_ptr<app_socket> take_over(connection& on, authenticator& auth,
                                                             const network_limits& limits,
                                                             guest client,
                                                             std::shared_ptr<app_exchange> app);

  app_socket(connection& on, authenticator& auth, const network_limits& limits, guest client,
             std::shared_ptr<app_exchange> app);

  void on_input(byte_buffer& in) override;
  [[nodiscard]] bool wants_input() const noexcept override;
  [[nodiscard]] std::size_t expected_input() const noexcept override { return reader_.missing(); }
  [[nodiscard]] std::size_t held_input() const noexcept override { return reader_.held(); }
  void on_overload() override;
  void on_drained() override { pump(); }
  void on_closed() override;
  void on_sweep(clock_type::time_point now) override;
  void on_stopping(stopping how) override;
  void on_recheck() override;
  void on_turn() override { deferred_ = false; }

private:
  void take(const ws::item& what);
  void pump();
  void send(ws::opcode type, std::string_view content);
  void leave(std::uint16_t code);
  void say_goodbye(std::uint16_t code, std::string_view reason);

  connection* connection_; // null once it is closed
  authenticator& auth_;
  network_limits limits_;
  identity who_;
  quota_hold room_;
  turns::seat seat_;
  std::shared_ptr<app_exchange> app_;
  ws::reader reader_;
  std::string scratch_;
  clock_type::time_point heard_ = clock_type::now();
  clock_type::time_point pinged_{};
  bool taking_ = false;
  bool deferred_ = false; // waits for its turn
};

} // namespace vivarium
