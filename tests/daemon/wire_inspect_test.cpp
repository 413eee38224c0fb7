// SPDX-License-Identifier: Apache-2.0
// What a session's interpreter is asked, and what becomes of its answers.
#include "daemon/wire.hpp"

#include <catch2/catch.hpp>
#include <google/protobuf/util/json_util.h>

#include <functional>
#include <string>

#include "vivarium/v1/session.pb.h"

using namespace vivarium;
using wire::codec;

namespace {

v1::Value operands_of(const result<submission>& got) {
  REQUIRE(got);
  v1::Value out;
  REQUIRE(out.ParseFromString(got->operands));
  return out;
}

v1::Value number(std::int64_t n) {
  v1::Value out;
  out.set_integer(n);
  return out;
}

v1::Value text(const std::string& t) {
  v1::Value out;
  out.set_text(t);
  return out;
}

v1::Value boolean(bool b) {
  v1::Value out;
  out.set_boolean(b);
  return out;
}

v1::Value tuple(const std::vector<v1::Value>& items) {
  v1::Value out;
  out.mutable_tuple();
  for (const auto& item : items)
    *out.mutable_tuple()->add_items() = item;
  return out;
}

v1::Value list(const std::vector<v1::Value>& items) {
  v1::Value out;
  out.mutable_list();
  for (const auto& item : items)
    *out.mutable_list()->add_items() = item;
  return out;
}

v1::Value dict(const std::vector<std::pair<std::string, v1::Value>>& entries) {
  v1::Value out;
  out.mutable_dict();
  for (const auto& [key, value] : entries) {
    auto* entry = out.mutable_dict()->add_entries();
    entry->mutable_key()->set_text(key);
    *entry->mutable_value() = value;
  }
  return out;
}

template <class Message>
Message binary(const result<std::string>& bytes) {
  REQUIRE(bytes);
  Message out;
  REQUIRE(out.ParseFromString(*bytes));
  return out;
}

bool senseless(const result<std::string>& answer) {
  return !answer && answer.why().code == errc::failed_precondition;
}

v1::Value variable(const v1::Value& length) {
  return tuple({text("x"), text("list"), text("[1]"), length, number(64)});
}

} // namespace

TEST_CASE("questions to an interpreter are submissions", "[daemon][unit]") {
  auto refs = wire::decode_release_refs(codec::json, R"({"session":"s","refs":["a","b"]})");
  auto ids = operands_of(refs);
  CHECK(refs->session == "s");
  CHECK(refs->mode == bridge::run_mode::release);
  CHECK(ids.list().items(1).text() == "b");

  auto variables = wire::decode_list_variables(codec::json, R"({"session":"s","namespace":"n"})");
  CHECK(operands_of(variables).list().items(0).text() == "variables");
  CHECK(variables->mode == bridge::run_mode::inspect);
  CHECK(variables->name_space == "n");

  CHECK(operands_of(wire::decode_get_interpreter(codec::json, R"({"session":"s"})"))
            .list()
            .items(0)
            .text()
        == "interpreter");
  CHECK(operands_of(wire::decode_get_memory_stats(codec::json, R"({"session":"s"})"))
            .list()
            .items(0)
            .text()
        == "memory");

  auto all = operands_of(wire::decode_collect_garbage(codec::json, R"({"session":"s"})")).list();
  CHECK(all.items(1).has_none());
  auto one =
      operands_of(wire::decode_collect_garbage(codec::json, R"({"session":"s","generation":0})"));
  CHECK(one.list().items(1).integer() == 0);
  CHECK_FALSE(wire::decode_collect_garbage(codec::json, R"({"session":"s","generation":3})"));

  auto trace =
      operands_of(wire::decode_set_tracemalloc(codec::json, R"({"session":"s","enabled":true})"))
          .list();
  CHECK(trace.items(1).boolean());
  CHECK(trace.items(2).integer() == 1);
  CHECK(wire::decode_set_tracemalloc(codec::json, R"({"session":"s","frames":100})"));
  CHECK_FALSE(wire::decode_set_tracemalloc(codec::json, R"({"session":"s","frames":101})"));
}

TEST_CASE("a question needs a session", "[daemon][unit]") {
  CHECK_FALSE(wire::decode_release_refs(codec::json, "{}"));
  CHECK_FALSE(wire::decode_list_variables(codec::json, "{}"));
  CHECK_FALSE(wire::decode_get_interpreter(codec::json, "{}"));
  CHECK_FALSE(wire::decode_get_memory_stats(codec::json, "{}"));
  CHECK_FALSE(wire::decode_collect_garbage(codec::json, "{}"));
  CHECK_FALSE(wire::decode_set_tracemalloc(codec::json, "{}"));
}

TEST_CASE("at most 100,000 refs are released at once", "[daemon][unit]") {
  v1::ReleaseRefsRequest request;
  request.set_session("s");
  for (int i = 0; i < 100'000; ++i)
    request.add_refs("r");
  CHECK(wire::decode_release_refs(codec::proto, request.SerializeAsString()));
  request.add_refs("r");
  CHECK_FALSE(wire::decode_release_refs(codec::proto, request.SerializeAsString()));
}

TEST_CASE("variables are told with their lengths", "[daemon][unit]") {
  v1::Value none;
  none.mutable_none();
  auto value = dict({{"variables", list({variable(number(0)), variable(none)})}});
  auto answer = binary<v1::ListVariablesResponse>(
      wire::encode_variables(codec::proto, value.SerializeAsString()));
  REQUIRE(answer.variables_size() == 2);
  CHECK(answer.variables(0).name() == "x");
  CHECK(answer.variables(0).has_length());
  CHECK(answer.variables(0).length() == 0);
  CHECK_FALSE(answer.variables(1).has_length());
  CHECK(answer.variables(1).size_bytes() == 64);
}

TEST_CASE("a lying worker's variables are none", "[daemon][unit]") {
  auto encode = [](const v1::Value& value) {
    return wire::encode_variables(codec::proto, value.SerializeAsString());
  };
  CHECK(senseless(encode(number(1))));
  CHECK(senseless(encode(dict({}))));
  CHECK(senseless(encode(dict({{"variables", number(1)}}))));
  CHECK(senseless(encode(dict({{"variables", list({number(1)})}}))));
  CHECK(senseless(encode(dict({{"variables", list({tuple({text("x")})})}}))));
  CHECK(senseless(encode(dict({{"variables", list({variable(number(-1))})}}))));
  CHECK(senseless(encode(dict({{"variables", list({variable(text("1"))})}}))));
  auto long_text = variable(number(1));
  long_text.mutable_tuple()->mutable_items(2)->set_text(std::string(4'097, 'x'));
  CHECK(senseless(encode(dict({{"variables", list({long_text})}}))));
  std::vector<v1::Value> many(10'000, variable(number(1)));
  CHECK(encode(dict({{"variables", list(many)}})));
  many.push_back(variable(number(1)));
  CHECK(senseless(encode(dict({{"variables", list(many)}}))));
}

TEST_CASE("interpreters describe themselves", "[daemon][unit]") {
  auto value = dict({{"version", text("3")},
                     {"implementation", text("cpython")},
                     {"platform", text("linux")},
                     {"path", list({text("/a"), text("/b")})},
                     {"packages", list({tuple({text("numpy"), text("2")})})}});
  auto answer = binary<v1::GetInterpreterResponse>(
      wire::encode_interpreter(codec::proto, value.SerializeAsString()));
  CHECK(answer.version() == "3");
  CHECK(answer.path(1) == "/b");
  CHECK(answer.packages(0).version() == "2");
  value.mutable_dict()->mutable_entries()->RemoveLast();
  CHECK(senseless(wire::encode_interpreter(codec::proto, value.SerializeAsString())));
}

TEST_CASE("memory is the worker's word and the kernel's", "[daemon][unit]") {
  auto row = tuple({number(1), number(2), number(3), number(4), number(5)});
  std::vector<std::pair<std::string, v1::Value>> entries{{"generations", list({row, row, row})},
                                                         {"enabled", boolean(true)},
                                                         {"tracing", boolean(false)},
                                                         {"traced", number(6)},
                                                         {"traced_peak", number(7)},
                                                         {"refs", number(8)},
                                                         {"namespaces", number(9)},
                                                         {"streams", number(10)}};
  worker_memory seen{11, 12};
  auto answer = binary<v1::GetMemoryStatsResponse>(
      wire::encode_memory_stats(codec::proto, dict(entries).SerializeAsString(), seen));
  CHECK(answer.generations_size() == 3);
  CHECK(answer.generations(2).uncollectable() == 5);
  CHECK(answer.gc_enabled());
  CHECK_FALSE(answer.tracing());
  CHECK(answer.traced_bytes() == 6);
  CHECK(answer.refs() == 8);
  CHECK(answer.streams() == 10);
  CHECK(answer.resident_bytes() == 11);
  CHECK(answer.peak_resident_bytes() == 12);
  entries[0].second = list({row, row});
  CHECK(
      senseless(wire::encode_memory_stats(codec::proto, dict(entries).SerializeAsString(), seen)));
}

TEST_CASE("small answers are read likewise", "[daemon][unit]") {
  CHECK(binary<v1::ReleaseRefsResponse>(
            wire::encode_released(codec::proto, number(4).SerializeAsString()))
            .released()
        == 4);
  CHECK(*wire::encode_collected(codec::json, dict({{"collected", number(5)}}).SerializeAsString())
        == R"({"collected":"5"})");
  CHECK(*wire::encode_tracemalloc(codec::json,
                                  dict({{"was_enabled", boolean(true)}}).SerializeAsString())
        == R"({"wasEnabled":true})");
  CHECK(senseless(wire::encode_released(codec::proto, text("4").SerializeAsString())));
  CHECK(senseless(wire::encode_released(codec::proto, number(-4).SerializeAsString())));
  CHECK(senseless(wire::encode_collected(codec::proto, dict({}).SerializeAsString())));
  CHECK(senseless(wire::encode_tracemalloc(codec::proto, number(1).SerializeAsString())));
}
