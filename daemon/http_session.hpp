// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/connect.hpp"
#include "daemon/connection.hpp"
#include "daemon/endpoint.hpp"
#include "daemon/http_parser.hpp"
#include "daemon/http_response.hpp"
#include "daemon/rpc.hpp"

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
  [[nodiscard]] std::size_t expected_input() const noexcept override { return parser_.missing(); }
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
  /// What is known of the request that is being answered.
  struct exchange {
    const rpc::method_info* method = nullptr;
    std::string request_id;
    std::string traceparent;
    identity who;
    std::shared_ptr<rpc::call> call;
    clock_type::time_point started{};
    wire::codec codec = wire::codec::json;
    http_verb verb = http_verb::other;
    bool keep_alive = true;
    bool http11 = true;
    bool gzip_answer = false;
    bool streaming = false; ///< The head of a streamed response has been sent.
    bool answering = false; ///< A call is under way.
  };

  bool judge_head();
  bool let_in();
  bool seat(const std::string& tenant);
  void serve();
  void serve_method();
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
  void finish();

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
};

} // namespace vivarium
