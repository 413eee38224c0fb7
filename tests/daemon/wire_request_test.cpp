// SPDX-License-Identifier: Apache-2.0
#include "daemon/wire.hpp"
#include "daemon/wire_eval_json.hpp"
#include "daemon/wire_frame.hpp"

#include <catch2/catch.hpp>
#include <google/protobuf/util/json_util.h>

#include <string>

#include "vivarium/v1/connection.pb.h"
#include "vivarium/v1/execution.pb.h"

using namespace vivarium;
using wire::codec;

namespace {

bool same(const submission& a, const submission& b) {
  return a.session == b.session && a.source == b.source && a.filename == b.filename
         && a.first_line == b.first_line && a.timeout == b.timeout && a.cpu_budget == b.cpu_budget
         && a.answer_format == b.answer_format && a.create_session == b.create_session
         && a.code == b.code && a.fail_if_busy == b.fail_if_busy && a.disconnect == b.disconnect
         && a.environment == b.environment && a.form == b.form && a.mode == b.mode;
}

} // namespace

TEST_CASE("the hand-written JSON reader agrees with libprotobuf", "[daemon][unit]") {
  for (auto text : {R"({})",
                    R"( { } )",
                    R"({"source":"1+1"})",
                    R"({"source" : "a\nb\t\"\\\/\b\f\r"})",
                    R"({"source":"\u00e4\u20ac\ud83d\ude00\u0000"})",
                    R"({"source":"äöü€😀"})",
                    R"({"session":"s","source":"x","filename":"f.py","firstLine":7})",
                    R"({"timeoutMs":"5000","cpuMs":12})",
                    R"({"timeout_ms":5,"cpu_ms":"6","first_line":"3"})",
                    R"({"resultFormat":"RESULT_FORMAT_TYPED"})",
                    R"({"result_format":"RESULT_FORMAT_JSON"})",
                    R"({"resultFormat":"RESULT_FORMAT_REPR"})",
                    R"({"resultFormat":"RESULT_FORMAT_NONE"})",
                    R"({"createSession":true,"session":"a"})",
                    R"({"createSession":false})",
                    R"({"queue":"QUEUE_POLICY_FAIL"})",
                    R"({"queue":"QUEUE_POLICY_WAIT"})",
                    R"({"onDisconnect":"ON_DISCONNECT_DETACH"})",
                    R"({"on_disconnect":"ON_DISCONNECT_KILL"})",
                    R"({"onDisconnect":"ON_DISCONNECT_INTERRUPT"})",
                    R"({"code":"c","environment":"data"})"}) {
    INFO(text);
    auto by_hand = wire::read_eval_json(text);
    REQUIRE(by_hand);
    v1::EvalRequest parsed;
    REQUIRE(google::protobuf::util::JsonStringToMessage(text, &parsed).ok());
    auto slow = wire::decode_eval(codec::proto, parsed.SerializeAsString());
    auto fast = wire::check_eval(*std::move(by_hand));
    REQUIRE(slow);
    REQUIRE(fast);
    REQUIRE(same(*fast, *slow));
  }
}

TEST_CASE("unusual JSON is libprotobuf's business, and gives what it says", "[daemon][unit]") {
  for (auto text : {R"({"source":null})", R"({"resultFormat":2})", R"({"timeoutMs":1e3})",
                    R"({"timeoutMs":5.0})", R"({"session":"a","createSession":"true"})"}) {
    INFO(text);
    REQUIRE_FALSE(wire::read_eval_json(text));
    v1::EvalRequest parsed;
    auto known = google::protobuf::util::JsonStringToMessage(text, &parsed).ok();
    auto got = wire::decode_eval(codec::json, text);
    REQUIRE(static_cast<bool>(got) == known);
    if (got)
      REQUIRE(same(*got, *wire::decode_eval(codec::proto, parsed.SerializeAsString())));
  }
}

TEST_CASE("wrong JSON is refused, whoever reads it", "[daemon][unit]") {
  for (auto text :
       {"{", "[]", "1", "null x", R"({"sourc":"x"})", R"({"source":1})", R"({"source":"x"}x)",

        R"({"source":"\ud800"})", R"({"source":"\udc00\ud800"})", "{\"source\":\"\xff\"}",

        R"({"timeoutMs":-1})", R"({"timeoutMs":"99999999999999999999"})", R"({"timeoutMs":1e400})",
        R"({"firstLine":4294967296})", R"({"resultFormat":"NO"})", R"({"createSession":1})",
        R"({"source":"unterminated})", R"({"a":{"b":[[[[]]]]}})"}) {
    INFO(text);
    auto got = wire::decode_eval(codec::json, text);
    REQUIRE_FALSE(got);
    REQUIRE(got.why().code == errc::invalid_argument);
  }
  auto deep = std::string(100'000, '[');
  REQUIRE_FALSE(wire::decode_eval(codec::json, R"({"source":)" + deep));
}

TEST_CASE("an empty message is a valid one in both codecs", "[daemon][unit]") {
  REQUIRE(wire::decode_eval(codec::json, ""));
  REQUIRE(wire::decode_eval(codec::proto, ""));
  REQUIRE(wire::decode_empty(wire::message::list_sessions_request, codec::json, ""));
}

TEST_CASE("binary requests are read as libprotobuf writes them", "[daemon][unit]") {
  v1::EvalRequest request;
  request.set_session("s");
  request.set_source("print(1)");
  request.set_filename("f");
  request.set_first_line(9);
  request.set_timeout_ms(1'000);
  request.set_cpu_ms(500);
  request.set_result_format(v1::RESULT_FORMAT_REPR);
  request.set_create_session(true);
  request.set_queue(v1::QUEUE_POLICY_FAIL);
  request.set_on_disconnect(v1::ON_DISCONNECT_KILL);
  request.set_environment("data");
  auto got = wire::decode_eval(codec::proto, request.SerializeAsString());
  REQUIRE(got);
  REQUIRE(got->session == "s");
  REQUIRE(got->source == "print(1)");
  REQUIRE(got->filename == "f");
  REQUIRE(got->first_line == 9);
  REQUIRE(got->timeout.count() == 1'000);
  REQUIRE(got->cpu_budget.count() == 500);
  REQUIRE(got->form == bridge::value_form::repr);
  REQUIRE(got->create_session);
  REQUIRE(got->fail_if_busy);
  REQUIRE(got->disconnect == on_disconnect::kill);
  REQUIRE(got->environment == "data");
}

TEST_CASE("cut or wrong binary requests are refused", "[daemon][unit]") {
  v1::EvalRequest request;
  request.set_source("print(1)");
  auto bytes = request.SerializeAsString();
  REQUIRE_FALSE(wire::decode_eval(codec::proto, bytes.substr(0, bytes.size() - 1)));
  REQUIRE_FALSE(wire::decode_eval(codec::proto, "\x12\x02\xff\xfe"));
  REQUIRE_FALSE(wire::decode_eval(codec::proto, "\xff"));
  REQUIRE_FALSE(wire::decode_eval(codec::proto, "\x38\x09"));
  // A known number with another wire type, and unknown numbers, are skipped.
  REQUIRE(wire::decode_eval(codec::proto, "\x10\x05"));
  REQUIRE(wire::decode_eval(codec::proto, "\xa0\x06\x05"));
}

TEST_CASE("contradictory requests are refused", "[daemon][unit]") {
  for (auto text : {R"({"code":"c","source":"x"})", R"({"code":"c","firstLine":1})",
                    R"({"createSession":true})"})
    REQUIRE_FALSE(wire::decode_eval(codec::json, text));
  REQUIRE_FALSE(wire::decode_eval(codec::json, R"({"timeoutMs":"18446744073709551615"})"));
  REQUIRE_FALSE(wire::decode_start(codec::json, R"({"eval":{"source":"1"}})"));
  REQUIRE(wire::decode_start(codec::json, R"({"eval":{"source":"1","session":"a"}})"));
  REQUIRE_FALSE(wire::decode_follow(codec::json, "{}"));
  REQUIRE_FALSE(wire::decode_cancel(codec::json, "{}"));
  REQUIRE_FALSE(wire::decode_session(wire::message::get_session_request, codec::json, "{}"));
  REQUIRE(wire::decode_list(codec::json, "{}"));
}

TEST_CASE("frames of a connection are opened the same in all forms", "[daemon][unit]") {
  for (auto text :
       {R"({"id":"5","eval":{"source":"a}\"{"},"credit":3})", R"({"eval":{},"id":5})",
        R"({"id":7,"createSession":{"name":"x"}})", R"({"id":7,"create_session":{"name":"x"}})",
        R"({"id":8,"abandon":{}})", R"({"id":9,"moreCredit":17})", R"({"id":1,"follow":{}})",
        R"({"id":18446744073709551615,"list":{}})",
        R"({"id":3,"list":{},"traceparent":"00-ab","requestId":"own"})",
        R"({"id":3,"request_id":"own","list":{}})", R"({"id":3,"requestId":"o\u0077n","list":{}})"}) {
    INFO(text);
    v1::ClientFrame parsed;
    REQUIRE(google::protobuf::util::JsonStringToMessage(text, &parsed).ok());
    auto bytes = parsed.SerializeAsString();
    wire::client_frame binary;
    wire::client_frame json;
    REQUIRE(wire::open_frame(binary, codec::proto, bytes));
    REQUIRE(wire::open_frame(json, codec::json, text));
    REQUIRE(binary.id == json.id);
    REQUIRE(binary.id == parsed.id());
    REQUIRE(binary.field == static_cast<std::uint32_t>(parsed.body_case()));
    REQUIRE(binary.field == json.field);
    REQUIRE(binary.credit == json.credit);
    REQUIRE(binary.more_credit == json.more_credit);
    REQUIRE(binary.traceparent == json.traceparent);
    REQUIRE(binary.traceparent == parsed.traceparent());
    REQUIRE(binary.request_id == json.request_id);
    REQUIRE(binary.request_id == parsed.request_id());
  }
  for (auto text : {"", "{", "[]", R"({"id":1,"nonsense":{}})", R"({"id":1,"eval":{)",
                    R"({"id":1,"eval":{}}x)", R"({"id":-1})"}) {
    INFO(text);
    wire::client_frame json;
    REQUIRE_FALSE(wire::open_frame(json, codec::json, text));
  }
}
