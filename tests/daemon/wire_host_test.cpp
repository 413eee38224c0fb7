// SPDX-License-Identifier: Apache-2.0
#include "bridge/value_writer.hpp"
#include "daemon/wire.hpp"

#include <catch2/catch.hpp>
#include <google/protobuf/util/json_util.h>

#include <string>

#include "vivarium/v1/connection.pb.h"

using namespace vivarium;
using wire::codec;
using wire::result_format;
using outcome = bridge::host_result::outcome;

namespace {

result<wire::serve_request> decode(const v1::ServeRequest& request) {
  return wire::decode_serve(codec::proto, request.SerializeAsString());
}

result<wire::answer_request> decode(const v1::AnswerRequest& request) {
  return wire::decode_answer(codec::proto, request.SerializeAsString());
}

template <class T>
errc code_of(const result<T>& got) {
  REQUIRE_FALSE(got);
  return got.why().code;
}

function_call a_call() {
  const std::string args[] = {bridge::int_value(7), bridge::text_value("\"ä\"")};
  const std::pair<std::string, std::string> kwargs[] = {{"flag", bridge::none_value()}};
  const std::string parts[] = {bridge::tuple_value(args), bridge::dict_value(kwargs)};
  function_call out;
  out.id = "call_1";
  out.name = "auth.get";
  out.session_id = "ses_1";
  out.execution_id = "exe_1";
  out.operands = bridge::tuple_value(parts);
  out.timeout = std::chrono::milliseconds{250};
  return out;
}

v1::ServeResponse parsed(codec as, const result<std::string>& bytes) {
  REQUIRE(bytes);
  v1::ServeResponse out;
  if (as == codec::json)
    REQUIRE(google::protobuf::util::JsonStringToMessage(*bytes, &out).ok());
  else
    REQUIRE(out.ParseFromString(*bytes));
  return out;
}

} // namespace

TEST_CASE("an offer is read with its defaults", "[daemon][unit]") {
  auto plain = decode(v1::ServeRequest{});
  REQUIRE(plain);
  CHECK(plain->what.session.empty());
  CHECK(plain->what.names.empty());
  CHECK(plain->format == result_format::typed);
  CHECK(plain->window == wire::default_window);
  auto json = wire::decode_serve(codec::json, "{}");
  REQUIRE(json);
  CHECK(json->format == result_format::json);
  auto full = wire::decode_serve(codec::json, R"({"session":"s","names":["a","b.*"],"window":3,)"
                                              R"("format":"RESULT_FORMAT_TYPED"})");
  REQUIRE(full);
  CHECK(full->what.session == "s");
  CHECK(full->what.names == std::vector<std::string>{"a", "b.*"});
  CHECK(full->window == 3);
  CHECK(full->format == result_format::typed);
}

TEST_CASE("an offer has bounds", "[daemon][unit]") {
  v1::ServeRequest request;
  request.set_window(wire::most_window);
  request.add_names(std::string(wire::most_function_bytes, 'x'));
  for (std::size_t i = 1; i < wire::most_functions; ++i)
    request.add_names("f");
  CHECK(decode(request));
  auto wrong = request;
  wrong.add_names("f");
  CHECK(code_of(decode(wrong)) == errc::invalid_argument);
  wrong = request;
  wrong.set_names(1, "");
  CHECK(code_of(decode(wrong)) == errc::invalid_argument);
  wrong = request;
  wrong.set_names(1, std::string(wire::most_function_bytes + 1, 'x'));
  CHECK(code_of(decode(wrong)) == errc::invalid_argument);
  wrong = request;
  wrong.set_window(wire::most_window + 1);
  CHECK(code_of(decode(wrong)) == errc::invalid_argument);
  wrong = request;
  wrong.set_format(v1::RESULT_FORMAT_REPR);
  CHECK(code_of(decode(wrong)) == errc::invalid_argument);
}

TEST_CASE("an answer is a value, natural JSON or an error", "[daemon][unit]") {
  v1::AnswerRequest request;
  request.set_call_id("call_1");
  request.mutable_value()->set_integer(7);
  auto typed = decode(request);
  REQUIRE(typed);
  CHECK(typed->call == "call_1");
  CHECK(typed->with.kind == outcome::value);
  CHECK(typed->with.content == bridge::int_value(7));
  auto natural = wire::decode_answer(codec::json, R"({"callId":"call_1","json":"x"})");
  REQUIRE(natural);
  CHECK(natural->with.content == bridge::text_value("x"));
  auto nothing = wire::decode_answer(codec::json, R"({"callId":"call_1","json":null})");
  REQUIRE(nothing);
  CHECK(nothing->with.content == bridge::none_value());
  request.mutable_error()->set_type("NoUser");
  auto failed = decode(request);
  REQUIRE(failed);
  CHECK(failed->with.kind == outcome::error);
  CHECK(failed->with.content == request.error().SerializeAsString());
}

TEST_CASE("an answer that is none is refused", "[daemon][unit]") {
  v1::AnswerRequest request;
  request.set_call_id("call_1");
  CHECK(code_of(decode(request)) == errc::invalid_argument);
  request.mutable_value(); // Of no kind.
  CHECK(code_of(decode(request)) == errc::invalid_argument);
  request.mutable_value()->set_integer(1);
  request.clear_call_id();
  CHECK(code_of(decode(request)) == errc::invalid_argument);
  CHECK_FALSE(wire::decode_answer(codec::proto, "\x0a\x01x\x12\x02\xff\xff"));
  CHECK_FALSE(wire::decode_answer(codec::proto, "\x0a\x01x\x22\x02\x0a\xff"));
  CHECK_FALSE(wire::decode_answer(codec::json, "{"));
}

TEST_CASE("a call is written in each form and encoding", "[daemon][unit]") {
  for (auto as : {codec::proto, codec::json}) {
    auto natural =
        parsed(as, wire::encode_function_call(as, result_format::json, a_call(), 3)).call();
    CHECK(natural.call_id() == "call_1");
    CHECK(natural.name() == "auth.get");
    CHECK(natural.session_id() == "ses_1");
    CHECK(natural.execution_id() == "exe_1");
    CHECK(natural.timeout_ms() == 250);
    CHECK(natural.lost_before() == 3);
    REQUIRE(natural.json_args().values_size() == 2);
    CHECK(natural.json_args().values(0).number_value() == 7);
    CHECK(natural.json_args().values(1).string_value() == "\"ä\"");
    CHECK(natural.json_kwargs().fields().at("flag").kind_case()
          == google::protobuf::Value::kNullValue);
    CHECK(natural.args_size() == 0);
    auto typed =
        parsed(as, wire::encode_function_call(as, result_format::typed, a_call(), 0)).call();
    REQUIRE(typed.args_size() == 2);
    CHECK(typed.args(0).integer() == 7);
    CHECK(typed.args(1).text() == "\"ä\"");
    REQUIRE(typed.kwargs_size() == 1);
    CHECK(typed.kwargs(0).key().text() == "flag");
    CHECK(typed.kwargs(0).value().has_none());
    CHECK(typed.lost_before() == 0);
    CHECK_FALSE(typed.has_json_args());
  }
}

TEST_CASE("a cast has no id, and text is escaped", "[daemon][unit]") {
  auto what = a_call();
  what.id.clear();
  what.execution_id.clear();
  what.timeout = {};
  what.name = "a\"b\n";
  for (auto as : {codec::proto, codec::json}) {
    auto cast = parsed(as, wire::encode_function_call(as, result_format::json, what, 0)).call();
    CHECK(cast.call_id().empty());
    CHECK(cast.execution_id().empty());
    CHECK(cast.timeout_ms() == 0);
    CHECK(cast.name() == "a\"b\n");
  }
}

TEST_CASE("the other messages of an offer", "[daemon][unit]") {
  for (auto as : {codec::proto, codec::json}) {
    CHECK(parsed(as, wire::encode_serving(as)).has_serving());
    CHECK(parsed(as, wire::encode_call_dropped(as, "call_9")).dropped().call_id() == "call_9");
  }
}
