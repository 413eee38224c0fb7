// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "clients/cpp/src/core.hpp"

#include <vivarium/v1/connection.pb.h>

// Between the messages of vivarium.v1 and the types of the public headers.
namespace vivarium {
inline namespace client_v1 {
namespace detail {

/// Where a result came from: refs in it belong there.
struct origin {
  std::shared_ptr<core> from;
  std::string session;
};

/// Where a request is made: the connection that functions in it become known to, and what it is
/// part of answering.
struct place {
  std::shared_ptr<core> on;
  std::string session = {};
  std::string space = {};
  std::string within = {};
};

/// Throws `conversion_error` for what is nested too deeply, and for a function when there is no
/// connection to call it over.
void encode(const value& from, v1::Value& to, const std::shared_ptr<core>& on = {});
void encode(const value_options& from, v1::ValueOptions& to);
void encode(const run_options& from, v1::RunOptions& to);
/// Returns whether any is set.
bool encode(const session_limits& from, v1::Limits& to);
void encode(const session_options& from, v1::CreateSessionRequest& to,
            const std::shared_ptr<core>& on);
void encode(const namespace_options& from, v1::CreateNamespaceRequest& to,
            const std::shared_ptr<core>& on);
void encode(const task::source& from, const place& at, v1::EvalRequest& to);
void encode(const task::call& from, const place& at, v1::CallRequest& to);

/// Takes the content out of the message.
[[nodiscard]] value decode(v1::Value& from, const origin& at);
/// A value of natural JSON.
[[nodiscard]] value natural(const google::protobuf::Value& from);
[[nodiscard]] verdict decode(v1::Verdict& from, const origin& at);
[[nodiscard]] std::shared_ptr<const exception_info> decode(const v1::ExecutionError& from,
                                                           const origin& at);
[[nodiscard]] event decode(v1::Event& from, const origin& at);
[[nodiscard]] session_info decode(const v1::Session& from);
[[nodiscard]] session_limits decode(const v1::Limits& from);
[[nodiscard]] namespace_info decode(const v1::Namespace& from);
[[nodiscard]] stop_cause decode(const v1::Cause& from);
[[nodiscard]] usage decode(const v1::Usage& from);
[[nodiscard]] environment_info decode(const v1::Environment& from);
[[nodiscard]] pool_info decode(const v1::Pool& from);
/// The verdict of an answer to eval, call and the like.
template <class Response>
[[nodiscard]] verdict verdict_of(Response& from, const reply& answer) {
  auto out = decode(*from.mutable_verdict(), {answer.from, from.session_id()});
  out.request_id = answer.frame.request_id();
  out.execution_id = from.execution_id();
  out.session_id = from.session_id();
  return out;
}

/// Throws what an answer says when it is a failure.
void check_answer(const v1::ServerFrame& answer);
[[nodiscard]] std::exception_ptr error_of(const v1::Failure& from);
[[nodiscard]] std::exception_ptr error_of(const v1::Rejection& from);
/// What the daemon said instead of opening a WebSocket: its own error, else `connection_error`.
[[nodiscard]] std::exception_ptr error_of_refusal(const std::string& body, const std::string& why,
                                                  const std::string& request_id);

} // namespace detail
} // namespace client_v1
} // namespace vivarium
