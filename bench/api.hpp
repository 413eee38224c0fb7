// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/ws_client.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace bench {

/// Bodies of requests, in protobuf's wire format.
[[nodiscard]] std::string eval_request(std::string_view session, std::string_view source);
[[nodiscard]] std::string create_request(std::string_view environment);
[[nodiscard]] std::string close_request(std::string_view session);

/// Whether an EvalResponse carries a result and not an error.
[[nodiscard]] bool is_result(std::string_view eval_response);
/// The session id in a CreateSessionResponse.
[[nodiscard]] std::string session_id(std::string_view create_response);

/// The number in a field of a message; 0 when it is not there.
[[nodiscard]] std::uint64_t number_in(std::string_view message, unsigned field);

/// A ServerFrame, opened: views into the message.
struct answer {
  std::uint64_t id = 0;
  unsigned kind = 0; ///< The number of the field that is set.
  std::string_view body;
};
[[nodiscard]] answer open_answer(std::string_view message);

/// Field numbers of ClientFrame and ServerFrame.
struct frame_kind {
  static constexpr unsigned eval = 2;
  static constexpr unsigned create_session = 9;
  static constexpr unsigned close_session = 12;
  static constexpr unsigned end = 13;
  static constexpr unsigned more_credit = 13;
  static constexpr unsigned abandon = 14;
  static constexpr unsigned credit = 15; ///< Beside a body, not one.
  static constexpr unsigned stream = 17;
  static constexpr unsigned create_namespace = 19;
  static constexpr unsigned get_memory_stats = 25;
  static constexpr unsigned serve = 29;
  static constexpr unsigned answer = 30;
};

/// A ClientFrame around the body of a request.
[[nodiscard]] std::string client_frame(std::uint64_t id, unsigned kind, std::string_view body);

/// Calls over one WebSocket, one at a time. Any failure ends the program.
class caller {
public:
  explicit caller(ws_client& connection) : connection_{connection} {}

  /// Creates a session and returns its id.
  std::string create(std::string_view environment = {});
  /// Evaluates, and insists on a result; returns the EvalResponse, valid until the next call.
  std::string_view eval(std::string_view session, std::string_view source);
  void close(std::string_view session);
  /// Sends a frame that is already encoded and returns the answer's body, whatever it says.
  std::string_view exchange(std::string_view frame);
  /// Makes a request of any kind; returns the answer's body, valid until the next call.
  std::string_view call(unsigned kind, std::string_view body);

private:
  ws_client& connection_;
  std::uint64_t last_id_ = 1'000'000'000;
};

} // namespace bench
