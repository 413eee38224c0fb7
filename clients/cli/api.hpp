// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "clients/cli/address.hpp"
#include "proto/result.hpp"

#include <vivarium/v1/execution.pb.h>
#include <vivarium/v1/session.pb.h>

#include <functional>
#include <memory>
#include <string>

namespace vivarium::cli {

class transport;

/// Calls the daemon's services by the Connect protocol with binary messages. Blocks; one call at a
/// time. Errors of the protocol come back with the daemon's own name for them and its message.
class api {
public:
  api(const address& where, const std::string& api_key);
  api(const api&) = delete;
  api& operator=(const api&) = delete;
  ~api();

  result<v1::EvalResponse> eval(const v1::EvalRequest& what);
  result<v1::StartResponse> start(const v1::EvalRequest& what);
  /// Calls `sink` for each event up to the verdict.
  status follow(const std::string& execution, const std::function<void(const v1::Event&)>& sink);
  result<v1::CancelResponse> cancel(const std::string& execution);
  result<v1::Session> create_session(const v1::CreateSessionRequest& what);
  result<v1::ListSessionsResponse> list_sessions();
  status close_session(const std::string& session);
  /// Asks /readyz; the error says why the daemon is not ready.
  status ready();

private:
  template <class Response, class Request>
  result<Response> call(const char* method, const Request& what);

  std::unique_ptr<transport> wire_;
};

} // namespace vivarium::cli
