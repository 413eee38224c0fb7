// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/connect.hpp"
#include "daemon/connection.hpp"
#include "daemon/endpoint.hpp"
#include "daemon/http_parser.hpp"
#include "daemon/http_response.hpp"
#include "daemon/rpc.hpp"
#include "daemon/streamed_exchange.hpp"

#include <boost/asio/steady_timer.hpp>

#include <memory>
#include <optional>
#include <string>

namespace vivarium {

/// HTTP/1.1 on one connection: requests are answered one after the other, in the order in which
/// they came. A client that leaves while it waits abandons its call.
class http_session final : public conversation,
                           public rpc::asker,
                           public std::enable_shared_from_this<http_session> {
public:
  http_session(connection& on, endpoint& at);

  void on_input(byte_buffer& in) override;
  [[nodiscard]] bool wants_input() const noexcept override;
  [[nodiscard]] std::size_t expected_input() const noexcept override;
  [[nodiscard]] std::size_t held_input() const noexcept override;
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

private:
  friend class streamed_exchange;

  /// What is known of the request that is being answered.
  struct exchange {
    const rpc::method_info* method = nullptr;
    std::string request_id;
    trace_place trace;
    identity who;
    std::shared_ptr<rpc::call> call;
    streamed_route* route = nullptr;
    std::shared_ptr<streamed_exchange> pieces; ///< Set while a handler serves it.
    clock_type::time_point started{};
    wire::codec codec = wire::codec::json;
    http_verb verb = http_verb::other;
    int status = 0; ///< Of the answer that has begun, where a route serves it.
    bool keep_alive = true;
    bool http11 = true;
    bool gzip_answer = false;
    bool streaming = false; ///< The head of a streamed response has been sent.
    bool answering = false; ///< A call is under way.
  };

  bool judge_head();
  bool let_in();
  bool admits_stranger() const;
  status seat(const std::string& tenant);
  void serve();
  void serve_method();
  void serve_metrics();
  void serve_call(const connect::request& asked, std::optional<connect::refusal> no);
  void serve_stream(const connect::request& asked, std::optional<connect::refusal> no);
  void begin_call(const connect::request& asked);
  void let_go_of_body();
  void upgrade();
  void respond(int status, std::string_view type, std::string body, std::string_view extra = {});
  void respond_error(int status, const error& why, std::string_view extra = {});
  void reject(int status, const error& why);
  void arm_timeout(const std::optional<std::chrono::milliseconds>& timeout);
  void begin_stream();
  void append_envelope(std::string body, bool last);
  void pump();
  void end_stream(std::string last);
  void told(const error* why);
  void trace_route();
  void finish();

  // Requests in pieces: http_session_pieces.cpp.
  [[nodiscard]] bool taking_body() const noexcept;
  bool begin_pieces();
  void invite_body();
  void pass_body(http_parser::progress how_far);
  void sweep_pieces(clock_type::time_point now);
  void spoil(int status, const error& why);
  std::shared_ptr<streamed_handler> release_pieces();
  void break_off();
  void begin_answer(streamed_exchange& of, int status, std::string_view lines,
                    std::optional<std::uint64_t> length);
  void write_answer(streamed_exchange& of, std::string bytes);
  void end_answer(streamed_exchange& of);
  void fail_answer(const streamed_exchange& of, const error& why, int status);
  void hand_over(std::string_view lines,
                 const std::function<std::shared_ptr<conversation>(connection&, guest)>& make);

  connection* connection_; // null once it is closed
  endpoint& at_;
  http_parser parser_;
  exchange now_;
  std::uint64_t tag_ = 0;
  std::optional<boost::asio::steady_timer> timer_;
  clock_type::time_point phase_since_;
  std::size_t backlog_ = 0;
  std::string seen_key_; // the last one that was audited
  std::string seated_;   // the tenant that the connection counts as one of
  quota_hold room_;
  turns::seat seat_;
  bool deferred_ = false; // waits for its turn
  bool judged_ = false;
  bool last_ = false; // has answered its last request: what comes behind it is not one
};

} // namespace vivarium
