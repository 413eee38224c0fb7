// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/connection.hpp"
#include "daemon/endpoint.hpp"
#include "daemon/rpc.hpp"
#include "daemon/wire_frame.hpp"
#include "daemon/ws_frame.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace vivarium {

/// `/v1/ws`: requests of one client, many at a time, told apart by their ids. Answers that become
/// ready together leave together. A client that does not read stops being read: neither its streams
/// nor its requests grow anything in the daemon.
class ws_session final : public conversation,
                         public rpc::asker,
                         public rpc::connection_scope,
                         public std::enable_shared_from_this<ws_session> {
public:
  /// What the handshake came to. With status 101 `extra` holds the header lines of the answer.
  struct handshake {
    int status = 101;
    error why;
    std::string extra;
    wire::codec codec = wire::codec::json;
    std::string request_id;
  };
  [[nodiscard]] static handshake accept(const http_request& request, const std::string& request_id);

  ws_session(connection& on, endpoint& at, const handshake& agreed, guest who,
             const trace_context& trace);

  void on_input(byte_buffer& in) override;
  [[nodiscard]] bool wants_input() const noexcept override;
  [[nodiscard]] std::size_t expected_input() const noexcept override { return reader_.missing(); }
  [[nodiscard]] std::size_t held_input() const noexcept override { return reader_.held(); }
  void on_overload() override;
  void on_drained() override;
  void on_closed() override;
  void on_sweep(clock_type::time_point now) override;
  void on_stopping(stopping how) override;
  void on_recheck() override;
  void on_turn() override { deferred_ = false; }

  void answer(std::uint64_t tag, std::string body) override;
  void refuse(std::uint64_t tag, error why) override;
  void ready(std::uint64_t tag) override;
  void prepared(std::uint64_t tag) override;
  std::uint64_t owner() override;
  [[nodiscard]] std::uint64_t known_owner() const noexcept override { return owner_; }

private:
  struct pending {
    const rpc::method_info* method = nullptr;
    std::shared_ptr<rpc::call> call;
    clock_type::time_point started{};
    std::uint64_t credit = 0;
    std::string own_id; ///< That the client gave it; empty: that of the connection and its number.
    trace_place trace;
  };

  void take(const ws::item& what);
  void take_message(const ws::item& what);
  void open_aside(std::string_view message);
  void take_frame(const wire::client_frame& frame);
  void begin(const wire::client_frame& frame, const rpc::method_info& method);
  void answer_call(const wire::client_frame& frame);
  void set_defaults(const wire::client_frame& frame);
  void use_defaults(std::uint64_t id, wire::defaults wanted);
  void pump(std::uint64_t id);
  void told(const pending& request, std::uint64_t id, const error* why);
  [[nodiscard]] std::string request_id(std::uint64_t id, std::string_view own = {}) const;
  void send(std::uint64_t id, std::uint32_t field, std::string_view name, std::string body,
            std::string_view own_id = {});
  void send_failure(std::uint64_t id, const error& why, std::string_view own_id = {});
  void flush();
  void say_goodbye(std::uint16_t code, std::string_view reason);

  connection* connection_; // null once it is closed
  endpoint& at_;
  wire::codec codec_;
  identity who_;
  quota_hold room_;
  turns::seat seat_;
  std::string request_id_;
  trace_context trace_; // Of requests that name none.
  ws::reader reader_;
  std::unordered_map<std::uint64_t, pending> requests_;
  std::optional<wire::defaults> defaults_;
  std::uint64_t owner_ = 0; // Made when something is to end with this connection.
  std::string scratch_;
  std::size_t streams_ = 0;
  std::size_t turn_ = 0;
  clock_type::time_point heard_;
  clock_type::time_point pinged_{};
  bool taking_ = false;
  bool reading_aside_ = false; // What came next waits, so that requests keep their order.
  bool deferred_ = false;      // waits for its turn
};

} // namespace vivarium
