// SPDX-License-Identifier: Apache-2.0
#include "daemon/wire.hpp"
#include "daemon/wire_frame.hpp"

#include <catch2/catch.hpp>
#include <google/protobuf/util/json_util.h>

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "vivarium/v1/connection.pb.h"
#include "vivarium/v1/execution.pb.h"

using namespace vivarium;
using wire::codec;
using wire::result_format;

namespace {

template <class Message>
Message from_json(const std::string& text) {
  Message out;
  INFO(text);
  auto ok = google::protobuf::util::JsonStringToMessage(text, &out);
  INFO(std::string{ok.message()});
  REQUIRE(ok.ok());
  return out;
}

template <class Message>
Message from_binary(const std::string& bytes) {
  Message out;
  REQUIRE(out.ParseFromString(bytes));
  return out;
}

std::string value_of(const std::function<void(v1::Value&)>& fill) {
  v1::Value value;
  fill(value);
  return value.SerializeAsString();
}

std::shared_ptr<execution> ended(verdict how, result_format format,
                                 std::vector<std::pair<event::kind, std::string>> events = {}) {
  submission what;
  what.answer_format = static_cast<std::uint8_t>(format);
  auto out = std::make_shared<execution>("exe_0abc", "ses_0abc", what, 4u << 20);
  out->mark_started(clock_type::now());
  for (auto& [kind, data] : events)
    out->append(kind, std::move(data));
  out->finish(std::move(how));
  return out;
}

verdict value_verdict(std::string value) {
  verdict out;
  out.outcome = verdict::kind::value;
  out.content = std::move(value);
  out.usage.wall = std::chrono::microseconds{123};
  out.usage.output_bytes = 1ull << 60;
  return out;
}

/// The JSON of an answer says the same as its binary form.
void agree(const execution& source) {
  auto binary = wire::encode_eval(codec::proto, source);
  auto text = wire::encode_eval(codec::json, source);
  REQUIRE(binary);
  REQUIRE(text);
  auto a = from_binary<v1::EvalResponse>(*binary);
  auto b = from_json<v1::EvalResponse>(*text);
  REQUIRE(a.ShortDebugString() == b.ShortDebugString());
}

std::vector<std::string> sample_values() {
  std::vector<std::string> out;
  auto add = [&out](const std::function<void(v1::Value&)>& fill) { out.push_back(value_of(fill)); };
  add([](v1::Value& v) { v.mutable_none(); });
  add([](v1::Value& v) { v.set_boolean(false); });
  add([](v1::Value& v) { v.set_boolean(true); });
  for (std::int64_t n : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1} << 53,
                         (std::int64_t{1} << 53) - 1, std::numeric_limits<std::int64_t>::min()})
    add([n](v1::Value& v) { v.set_integer(n); });
  for (double d :
       {0.0, 1.5, 1e300, 5e-324, 0.1, std::numeric_limits<double>::infinity(),
        -std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()})
    add([d](v1::Value& v) { v.set_real(d); });
  for (auto text : {"", "plain", "\"\\/\b\f\n\r\t\x01\x1f\x7f", "äöü€😀\u2028\u2029</script>&'"})
    add([text](v1::Value& v) { v.set_text(text); });
  add([](v1::Value& v) { v.set_blob(std::string{"\0\xff\x80 binary", 10}); });
  add([](v1::Value& v) { v.set_big_integer(std::string(20, '\x7f')); });
  add([](v1::Value& v) {
    auto* list = v.mutable_list();
    list->add_items()->set_integer(1);
    list->add_items()->mutable_tuple()->add_items()->set_text("x");
    auto* entry = list->add_items()->mutable_dict()->add_entries();
    entry->mutable_key()->set_text("k");
    entry->mutable_value()->mutable_set();
  });
  add([](v1::Value& v) {
    v.mutable_opaque()->set_type_name("a.B");
    v.mutable_opaque()->set_repr("<B>");
  });
  return out;
}

} // namespace

TEST_CASE("values in natural JSON are the same in both codecs", "[daemon][unit]") {
  for (const auto& value : sample_values())
    agree(*ended(value_verdict(value), result_format::json));
}

TEST_CASE("typed values are the same in both codecs and pass through unchanged", "[daemon][unit]") {
  for (const auto& value : sample_values()) {
    auto source = ended(value_verdict(value), result_format::typed);
    agree(*source);
    auto answer = from_binary<v1::EvalResponse>(*wire::encode_eval(codec::proto, *source));
    REQUIRE(answer.verdict().result().value().SerializeAsString() == value);
  }
}

TEST_CASE("a negative zero keeps its sign where types are kept", "[daemon][unit]") {
  auto value = value_of([](v1::Value& v) { v.set_real(-0.0); });
  auto source = ended(value_verdict(value), result_format::typed);
  auto answer = from_binary<v1::EvalResponse>(*wire::encode_eval(codec::proto, *source));
  REQUIRE(answer.verdict().result().value().SerializeAsString() == value);
}

TEST_CASE("the codec decides about an unspecified format", "[daemon][unit]") {
  auto source = ended(value_verdict(value_of([](v1::Value& v) { v.set_integer(2); })),
                      result_format::unspecified);
  auto binary = from_binary<v1::EvalResponse>(*wire::encode_eval(codec::proto, *source));
  REQUIRE(binary.verdict().result().value().integer() == 2);
  auto text = from_json<v1::EvalResponse>(*wire::encode_eval(codec::json, *source));
  REQUIRE(text.verdict().result().json().number_value() == 2);
}

TEST_CASE("other outcomes are the same in both codecs", "[daemon][unit]") {
  verdict repr;
  repr.outcome = verdict::kind::repr;
  repr.content = "<object \"x\"\n>";
  agree(*ended(repr, result_format::repr));
  repr.content.clear();
  auto none = ended(repr, result_format::repr);
  agree(*none);
  REQUIRE(from_binary<v1::EvalResponse>(*wire::encode_eval(codec::proto, *none))
              .verdict()
              .has_result());
  agree(*ended(verdict{}, result_format::none));
  v1::ExecutionError failure;
  failure.set_kind(v1::ERROR_KIND_PYTHON);
  failure.set_message("<b>bad</b>");
  failure.add_frames()->set_line(3);
  verdict failed;
  failed.outcome = verdict::kind::error;
  failed.content = failure.SerializeAsString();
  failed.cause = cause{"deadline", "timeout_ms", 5, 1ull << 63, enforcer::daemon};
  failed.session = session_outcome::lost;
  agree(*ended(failed, result_format::json));
  failed.outcome = verdict::kind::nothing;
  failed.content.clear();
  agree(*ended(failed, result_format::json));
}

TEST_CASE("output and displays are folded", "[daemon][unit]") {
  v1::Display shown;
  shown.add_parts()->set_type("image/png");
  shown.mutable_parts(0)->set_data("\x89PNG\xff");
  auto value = value_of([](v1::Value& v) { v.mutable_none(); });
  using kind = event::kind;
  agree(*ended(value_verdict(value), result_format::json, {{kind::out, "a\n"}}));
  auto truncated = value_verdict(value);
  truncated.output_truncated = true;
  auto source = ended(truncated, result_format::json,
                      {{kind::out, "a\"\n"},
                       {kind::err, "e1"},
                       {kind::out, "ü"},
                       {kind::err, "e2"},
                       {kind::display, shown.SerializeAsString()}});
  agree(*source);
  auto answer = from_binary<v1::EvalResponse>(*wire::encode_eval(codec::proto, *source));
  REQUIRE(answer.verdict().stdout() == "a\"\nü");
  REQUIRE(answer.verdict().stderr() == "e1e2");
  REQUIRE(answer.verdict().displays_size() == 1);
  REQUIRE(answer.verdict().output_truncated());
  REQUIRE(answer.execution_id() == "exe_0abc");
  REQUIRE(answer.session_id() == "ses_0abc");
}

TEST_CASE("events of a stream are the same in both codecs", "[daemon][unit]") {
  v1::Display shown;
  shown.add_parts()->set_text("<p>");
  using kind = event::kind;
  auto source =
      ended(value_verdict(value_of([](v1::Value& v) { v.set_text("x"); })), result_format::json,
            {{kind::out, "o\n"}, {kind::err, ""}, {kind::display, shown.SerializeAsString()}});
  std::size_t cases = 0;
  for (const auto& e : source->log()) {
    for (std::uint64_t lost : {0u, 7u}) {
      auto binary = wire::encode_follow(codec::proto, *source, e, lost);
      auto text = wire::encode_follow(codec::json, *source, e, lost);
      REQUIRE(binary);
      REQUIRE(text);
      auto a = from_binary<v1::FollowResponse>(*binary);
      REQUIRE(a.ShortDebugString() == from_json<v1::FollowResponse>(*text).ShortDebugString());
      REQUIRE(a.event().sequence() == e.sequence);
      REQUIRE(a.event().lost_before() == lost);
      ++cases;
    }
  }
  REQUIRE(cases >= 8);
}

TEST_CASE("a verdict in a stream does not repeat the output", "[daemon][unit]") {
  auto source = ended(value_verdict(value_of([](v1::Value& v) { v.set_text("x"); })),
                      result_format::typed, {{event::kind::out, "o\n"}});
  auto last = from_binary<v1::FollowResponse>(
      *wire::encode_follow(codec::proto, *source, source->log().back(), 0));
  REQUIRE(last.event().has_verdict());
  REQUIRE(last.event().verdict().stdout().empty());
  REQUIRE(last.event().verdict().result().value().text() == "x");
}

TEST_CASE("answers about sessions are libprotobuf's messages", "[daemon][unit]") {
  session_info info;
  info.id = "ses_0x";
  info.name = "a";
  info.environment = "default";
  info.state = session_state::dead;
  info.created = std::chrono::system_clock::time_point{std::chrono::milliseconds{1'500}};
  info.executions = 3;
  info.python_version = "3.11";
  info.cause = cause{"signal", "SIGSEGV", 0, 11, enforcer::kernel};
  auto binary = wire::encode_session(wire::message::get_session_response, codec::proto, info);
  auto text = wire::encode_session(wire::message::get_session_response, codec::json, info);
  REQUIRE(binary);
  REQUIRE(text);
  auto session = from_binary<v1::GetSessionResponse>(*binary).session();
  REQUIRE(session.state() == v1::SESSION_STATE_DEAD);
  REQUIRE(session.create_time().seconds() == 1);
  REQUIRE(session.create_time().nanos() == 500'000'000);
  REQUIRE(session.cause().enforced_by() == v1::Cause::ENFORCED_BY_KERNEL);
  REQUIRE(from_json<v1::GetSessionResponse>(*text).session().SerializeAsString()
          == session.SerializeAsString());
}

TEST_CASE("frames of the server are ServerFrames in both codecs", "[daemon][unit]") {
  auto source =
      ended(value_verdict(value_of([](v1::Value& v) { v.set_integer(2); })), result_format::json);
  for (auto as : {codec::proto, codec::json}) {
    auto body = *wire::encode_eval(as, *source);
    std::string frame;
    wire::append_frame_head(frame, as, 77, 2, "eval", body.size());
    frame += body;
    frame += wire::frame_tail(as);
    auto parsed =
        as == codec::json ? from_json<v1::ServerFrame>(frame) : from_binary<v1::ServerFrame>(frame);
    REQUIRE(parsed.id() == 77);
    REQUIRE(parsed.eval().execution_id() == "exe_0abc");
    REQUIRE(parsed.request_id().empty());
    frame.clear();
    wire::append_frame_head(frame, as, 77, 2, "eval", body.size(), "own-1");
    frame += body;
    frame += wire::frame_tail(as);
    parsed =
        as == codec::json ? from_json<v1::ServerFrame>(frame) : from_binary<v1::ServerFrame>(frame);
    REQUIRE(parsed.request_id() == "own-1");
    REQUIRE(parsed.eval().execution_id() == "exe_0abc");
  }
}

TEST_CASE("typed values that nest too deeply for JSON are refused with a way out",
          "[daemon][unit]") {
  auto nested = [](int levels) {
    return value_of([levels](v1::Value& value) {
      auto* at = &value;
      for (int i = 0; i < levels; ++i)
        at = at->mutable_list()->add_items();
      at->set_integer(1);
    });
  };
  CHECK(wire::encode_eval(codec::json, *ended(value_verdict(nested(20)), result_format::typed)));
  auto deep = ended(value_verdict(nested(40)), result_format::typed);
  auto refused = wire::encode_eval(codec::json, *deep);
  REQUIRE_FALSE(refused);
  CHECK(refused.why().code == errc::failed_precondition);
  CHECK(refused.why().detail.find("REPR") != std::string::npos);
  CHECK(wire::encode_eval(codec::proto, *deep));
}
