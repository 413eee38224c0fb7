// SPDX-License-Identifier: Apache-2.0
#include "bench/api.hpp"

#include "bench/net.hpp"
#include "bench/protobuf.hpp"

namespace bench {

namespace {

// ServerFrame.error
constexpr unsigned frame_error = 14;

} // namespace

std::string eval_request(std::string_view session, std::string_view source) {
  std::string body;
  if (!session.empty())
    put_bytes(body, 1, session);
  put_bytes(body, 2, source);
  return body;
}

std::string create_request(std::string_view environment) {
  std::string body;
  if (!environment.empty())
    put_bytes(body, 2, environment);
  return body;
}

std::string close_request(std::string_view session) {
  std::string body;
  put_bytes(body, 1, session);
  return body;
}

bool is_result(std::string_view eval_response) {
  auto verdict = field_bytes(eval_response, 2);
  for (field_reader fields{verdict}; fields.next();)
    if (fields.field() == 1)
      return true;
  return false;
}

std::string session_id(std::string_view create_response) {
  return std::string{field_bytes(field_bytes(create_response, 1), 1)};
}

std::uint64_t number_in(std::string_view message, unsigned field) {
  for (field_reader fields{message}; fields.next();)
    if (fields.field() == field)
      return fields.number();
  return 0;
}

answer open_answer(std::string_view message) {
  answer found;
  for (field_reader fields{message}; fields.next();) {
    if (fields.field() == 1) {
      found.id = fields.number();
    } else {
      found.kind = fields.field();
      found.body = fields.bytes();
    }
  }
  if (found.kind == frame_error)
    die("a request failed: " + std::string{field_bytes(found.body, 1)} + ": "
        + std::string{field_bytes(found.body, 2)});
  return found;
}

std::string client_frame(std::uint64_t id, unsigned kind, std::string_view body) {
  std::string frame;
  put_number(frame, 1, id);
  put_bytes(frame, kind, body);
  return frame;
}

std::string_view caller::exchange(std::string_view frame) {
  connection_.put(frame);
  connection_.flush();
  return open_answer(connection_.receive()).body;
}

std::string_view caller::call(unsigned kind, std::string_view body) {
  return exchange(client_frame(++last_id_, kind, body));
}

std::string caller::create(std::string_view environment) {
  return session_id(call(frame_kind::create_session, create_request(environment)));
}

std::string_view caller::eval(std::string_view session, std::string_view source) {
  auto answered = call(frame_kind::eval, eval_request(session, source));
  if (!is_result(answered))
    die("an eval has no result: " + std::string{answered});
  return answered;
}

void caller::close(std::string_view session) {
  call(frame_kind::close_session, close_request(session));
}

} // namespace bench
