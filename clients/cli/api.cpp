// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/api.hpp"

#include "clients/cli/transport.hpp"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/wrappers.pb.h>

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

namespace vivarium::cli {

namespace {

namespace pb = google::protobuf;

constexpr const char* services = "/vivarium.v1.";

/// Returns the errc of that name.
std::optional<errc> errc_named(std::string_view name) {
  for (int i = 0; i <= static_cast<int>(errc::internal); ++i)
    if (name_of(static_cast<errc>(i)) == name)
      return static_cast<errc>(i);
  return std::nullopt;
}

/// What a Connect code means when no detail says more.
errc errc_of_code(std::string_view code) {
  if (code == "canceled")
    return errc::cancelled;
  if (code == "resource_exhausted")
    return errc::limit_exceeded;
  if (code == "out_of_range")
    return errc::invalid_argument;
  if (code == "aborted" || code == "data_loss")
    return errc::session_lost;
  return errc_named(code).value_or(errc::internal);
}

/// Reads the detail that every error carries: base64 of an ErrorDetail, without padding.
std::optional<errc> errc_of_detail(const pb::Struct& fields) {
  auto details = fields.fields().find("details");
  if (details == fields.fields().end())
    return std::nullopt;
  for (const auto& detail : details->second.list_value().values()) {
    const auto& members = detail.struct_value().fields();
    auto type = members.find("type");
    auto value = members.find("value");
    if (type == members.end() || value == members.end()
        || type->second.string_value() != "vivarium.v1.ErrorDetail")
      continue;
    auto text = value->second.string_value();
    text.resize((text.size() + 3) / 4 * 4, '=');
    pb::BytesValue bytes;
    v1::ErrorDetail parsed;
    if (pb::util::JsonStringToMessage("\"" + text + "\"", &bytes).ok()
        && parsed.ParseFromString(bytes.value()))
      return errc_named(parsed.code());
  }
  return std::nullopt;
}

/// Reads an error of the Connect protocol, from a unary answer or from inside an end of stream.
error error_of(const pb::Struct& fields) {
  auto text = [&](const char* name) {
    auto found = fields.fields().find(name);
    return found == fields.fields().end() ? std::string{} : found->second.string_value();
  };
  auto code = errc_of_detail(fields).value_or(errc_of_code(text("code")));
  return {code, text("message").empty() ? text("code") : text("message")};
}

error error_of(const http_response& answer) {
  pb::Struct fields;
  if (pb::util::JsonStringToMessage(answer.body, &fields).ok() && fields.fields().contains("code"))
    return error_of(fields);
  return {answer.status == 503 ? errc::unavailable : errc::malformed,
          "the server answered with status " + std::to_string(answer.status)
              + ", which is no answer of vivariumd"};
}

/// Cuts the envelopes of a stream out of its bytes.
class envelopes {
public:
  explicit envelopes(const std::function<void(const v1::Event&)>& sink) : sink_{sink} {}

  /// Returns false once there is nothing more to read.
  bool take(std::string_view bytes) {
    pending_.append(bytes);
    std::size_t at = 0;
    while (!ended_ && pending_.size() - at >= 5) {
      auto byte = [&](std::size_t i) { return static_cast<unsigned char>(pending_[at + i]); };
      const std::size_t length = std::size_t{byte(1)} << 24 | std::size_t{byte(2)} << 16
                                 | std::size_t{byte(3)} << 8 | byte(4);
      if (pending_.size() - at - 5 < length)
        break;
      open(byte(0), pending_.substr(at + 5, length));
      at += 5 + length;
    }
    pending_.erase(0, at);
    return !ended_;
  }

  /// How the stream ended.
  status end() const {
    if (failed_)
      return *failed_;
    if (!ended_)
      return error{errc::unavailable, "the stream broke off"};
    return done{};
  }

private:
  void open(unsigned flags, const std::string& payload) {
    if ((flags & 2) != 0) {
      ended_ = true;
      pb::Struct fields;
      if (!pb::util::JsonStringToMessage(payload, &fields).ok())
        failed_ = error{errc::malformed, "the end of the stream is no JSON"};
      else if (auto found = fields.fields().find("error"); found != fields.fields().end())
        failed_ = error_of(found->second.struct_value());
      return;
    }
    v1::FollowResponse item;
    if (flags != 0 || !item.ParseFromString(payload)) {
      ended_ = true;
      failed_ = error{errc::malformed, "the stream holds a message that is not understood"};
    } else if (item.has_event()) { // Without one it only keeps the connection alive.
      sink_(item.event());
    }
  }

  const std::function<void(const v1::Event&)>& sink_;
  std::string pending_;
  bool ended_ = false;
  std::optional<error> failed_;
};

std::string enveloped(const std::string& message) {
  std::string out(5, '\0');
  for (int i = 0; i < 4; ++i)
    out[static_cast<std::size_t>(4 - i)] = static_cast<char>(message.size() >> (8 * i) & 0xff);
  return out + message;
}

} // namespace

api::api(const address& where, const std::string& api_key)
    : wire_{transport::make(where, api_key)} {}

api::~api() = default;

template <class Response, class Request>
result<Response> api::call(const char* method, const Request& what) {
  auto answer = wire_->send({http_request::verb::post, std::string{services} + method,
                             "application/proto", what.SerializeAsString()},
                            {});
  if (!answer)
    return answer.why();
  if (answer->status != 200)
    return error_of(*answer);
  Response out;
  if (answer->content_type != "application/proto" || !out.ParseFromString(answer->body))
    return error{errc::malformed, "the answer is none of vivariumd"};
  return out;
}

result<v1::EvalResponse> api::eval(const v1::EvalRequest& what) {
  return call<v1::EvalResponse>("ExecutionService/Eval", what);
}

result<v1::StartResponse> api::start(const v1::EvalRequest& what) {
  v1::StartRequest request;
  *request.mutable_eval() = what;
  return call<v1::StartResponse>("ExecutionService/Start", request);
}

status api::follow(const std::string& execution,
                   const std::function<void(const v1::Event&)>& sink) {
  v1::FollowRequest request;
  request.set_execution_id(execution);
  envelopes stream{sink};
  auto answer =
      wire_->send({http_request::verb::post, std::string{services} + "ExecutionService/Follow",
                   "application/connect+proto", enveloped(request.SerializeAsString())},
                  [&stream](std::string_view piece) {
                    stream.take(piece);
                    return true;
                  });
  if (!answer)
    return answer.why();
  if (answer->status != 200)
    return error_of(*answer);
  return stream.end();
}

result<v1::CancelResponse> api::cancel(const std::string& execution) {
  v1::CancelRequest request;
  request.set_execution_id(execution);
  return call<v1::CancelResponse>("ExecutionService/Cancel", request);
}

result<v1::Session> api::create_session(const v1::CreateSessionRequest& what) {
  auto answer = call<v1::CreateSessionResponse>("SessionService/CreateSession", what);
  if (!answer)
    return answer.why();
  return answer->session();
}

result<v1::ListSessionsResponse> api::list_sessions() {
  return call<v1::ListSessionsResponse>("SessionService/ListSessions", v1::ListSessionsRequest{});
}

status api::close_session(const std::string& session) {
  v1::CloseSessionRequest request;
  request.set_session(session);
  auto answer = call<v1::CloseSessionResponse>("SessionService/CloseSession", request);
  if (!answer)
    return answer.why();
  return done{};
}

status api::ready() {
  auto answer = wire_->send({http_request::verb::get, "/readyz", {}, {}}, {});
  if (!answer)
    return answer.why();
  if (answer->status != 200)
    return error{errc::failed_precondition, answer->body};
  return done{};
}

} // namespace vivarium::cli
