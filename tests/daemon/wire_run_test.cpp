// SPDX-License-Identifier: Apache-2.0
// What runs beside its source: namespaces, variables, options, a connection's defaults.
#include "daemon/wire.hpp"
#include "daemon/wire_eval_json.hpp"

#include <catch2/catch.hpp>

#include <string>

#include "vivarium/v1/connection.pb.h"
#include "vivarium/v1/execution.pb.h"

using namespace vivarium;
using wire::codec;

namespace {

v1::Value value_of(const std::string& bytes) {
  v1::Value out;
  REQUIRE(out.ParseFromString(bytes));
  return out;
}

v1::Value nested(int depth) {
  v1::Value out;
  auto* at = &out;
  for (int i = 0; i < depth; ++i)
    at = at->mutable_list()->add_items();
  at->set_integer(1);
  return out;
}

result<submission> decode(const v1::EvalRequest& request, const wire::defaults* base = nullptr) {
  return wire::decode_eval(codec::proto, request.SerializeAsString(), base);
}

wire::defaults defaults_of(const v1::Defaults& from) {
  auto out = wire::decode_defaults(codec::proto, from.SerializeAsString());
  REQUIRE(out);
  return *std::move(out);
}

} // namespace

TEST_CASE("variables become one dict, in the order of the wire", "[daemon][unit]") {
  // By hand: a map has no order in C++.
  v1::EvalRequest a;
  (*a.mutable_variables())["b"].set_integer(-5);
  v1::EvalRequest b;
  (*b.mutable_variables())["a"].set_text("ä");
  auto got = wire::decode_eval(codec::proto, a.SerializeAsString() + b.SerializeAsString());
  REQUIRE(got);
  auto dict = value_of(got->operands).dict();
  REQUIRE(dict.entries_size() == 2);
  CHECK(dict.entries(0).key().text() == "b");
  CHECK(dict.entries(0).value().integer() == -5);
  CHECK(dict.entries(1).key().text() == "a");
  CHECK(dict.entries(1).value().text() == "ä");

  auto twice = wire::decode_eval(codec::proto, a.SerializeAsString() + a.SerializeAsString());
  REQUIRE(twice);
  CHECK(value_of(twice->operands).dict().entries_size() == 1);
}

TEST_CASE("a request without variables has no operands", "[daemon][unit]") {
  auto got = wire::decode_eval(codec::json, R"({"source":"1"})");
  REQUIRE(got);
  CHECK(got->operands.empty());
  CHECK(got->owner == 0);
  CHECK(got->values == bridge::value_options{});
}

TEST_CASE("what cannot be a value is refused before anybody sees it", "[daemon][unit]") {
  v1::EvalRequest request;
  (*request.mutable_variables())["x"]; // No kind.
  auto none = decode(request);
  REQUIRE_FALSE(none);
  CHECK(none.why().code == errc::invalid_argument);
  CHECK(none.why().detail.find("`variables`") != std::string::npos);

  (*request.mutable_variables())["x"] = nested(40);
  CHECK(decode(request));
  (*request.mutable_variables())["x"] = nested(45);
  CHECK_FALSE(decode(request));

  // A name that is not UTF-8, which no library would write.
  std::string entry = "\x0a\x01\xff\x12\x02\x18\x02";
  std::string field{"\x72"};
  CHECK_FALSE(wire::decode_eval(codec::proto, field + static_cast<char>(entry.size()) + entry));
}

TEST_CASE("options are read, and judged", "[daemon][unit]") {
  v1::EvalRequest request;
  auto* options = request.mutable_value_options();
  options->set_unserializable(v1::ValueOptions::UNSERIALIZABLE_REF);
  options->set_blob_as(v1::ValueOptions::BLOB_AS_BYTEARRAY);
  options->set_set_as(v1::ValueOptions::SET_AS_FROZENSET);
  options->set_symbol_as(v1::ValueOptions::SYMBOL_AS_STR);
  auto got = decode(request);
  REQUIRE(got);
  CHECK(got->values == bridge::value_options{2, 3, 2, 3});
  CHECK(got->owner == 0);
  options->set_ref_lifetime(v1::ValueOptions::REF_LIFETIME_CONNECTION);
  CHECK(decode(request)->owner == wire::owner_is_asker);
  for (auto field : {1, 2, 3, 4, 5}) {
    std::string bytes{static_cast<char>(field << 3), 4};
    auto head = std::string{"\x82\x01", 2} + static_cast<char>(bytes.size());
    INFO(field);
    CHECK_FALSE(wire::decode_eval(codec::proto, head + bytes));
  }
}

TEST_CASE("options of two parts of a message are merged", "[daemon][unit]") {
  v1::EvalRequest a;
  a.mutable_value_options()->set_blob_as(v1::ValueOptions::BLOB_AS_STR);
  v1::EvalRequest b;
  b.mutable_value_options()->set_set_as(v1::ValueOptions::SET_AS_SET);
  auto got = wire::decode_eval(codec::proto, a.SerializeAsString() + b.SerializeAsString());
  REQUIRE(got);
  CHECK(got->values == bridge::value_options{0, 2, 1, 0});
}

TEST_CASE("namespace and scratch are read the same in both codecs", "[daemon][unit]") {
  auto fast = wire::read_eval_json(R"({"session":"s","namespace":"n","scratch":false})");
  REQUIRE(fast);
  CHECK(fast->what.name_space == "n");
  CHECK(wire::decode_eval(codec::json, R"({"scratch":true})")->scratch);
  v1::EvalRequest request;
  request.set_session("s");
  request.set_namespace_("n");
  CHECK(decode(request)->name_space == "n");
  request.clear_namespace_();
  request.set_scratch(true);
  CHECK(decode(request)->scratch);
  request.set_namespace_("n");
  CHECK_FALSE(decode(request)); // Both.
  CHECK_FALSE(wire::decode_eval(codec::json, R"({"namespace":"n"})"));
}

TEST_CASE("what a request leaves unset comes from the connection", "[daemon][unit]") {
  v1::Defaults wanted;
  wanted.set_session("s");
  wanted.set_namespace_("n");
  wanted.set_environment("data");
  auto* options = wanted.mutable_options();
  options->set_timeout_ms(7);
  options->set_cpu_ms(8);
  options->set_result_format(v1::RESULT_FORMAT_REPR);
  options->set_queue(v1::QUEUE_POLICY_FAIL);
  options->set_on_disconnect(v1::ON_DISCONNECT_KILL);
  options->mutable_value_options()->set_blob_as(v1::ValueOptions::BLOB_AS_STR);
  auto base = defaults_of(wanted);

  auto got = decode({}, &base);
  REQUIRE(got);
  CHECK(got->session == "s");
  CHECK(got->name_space == "n");
  CHECK(got->environment.empty()); // The session is there already.
  CHECK(got->timeout.count() == 7);
  CHECK(got->cpu_budget.count() == 8);
  CHECK(got->form == bridge::value_form::repr);
  CHECK(got->fail_if_busy);
  CHECK(got->disconnect == on_disconnect::kill);
  CHECK(got->values.blob_as == 2);

  v1::EvalRequest request;
  request.set_session("other");
  request.set_create_session(true);
  request.set_timeout_ms(70);
  request.set_cpu_ms(80);
  request.set_result_format(v1::RESULT_FORMAT_TYPED);
  request.set_queue(v1::QUEUE_POLICY_WAIT);
  request.set_on_disconnect(v1::ON_DISCONNECT_DETACH);
  request.mutable_value_options()->set_blob_as(v1::ValueOptions::BLOB_AS_BYTES);
  got = decode(request, &base);
  REQUIRE(got);
  CHECK(got->session == "other");
  CHECK(got->name_space.empty());
  CHECK(got->environment == "data");
  CHECK(got->timeout.count() == 70);
  CHECK(got->cpu_budget.count() == 80);
  CHECK(got->form == bridge::value_form::typed);
  CHECK_FALSE(got->fail_if_busy);
  CHECK(got->disconnect == on_disconnect::detach);
  CHECK(got->values.blob_as == 1);

  v1::EvalRequest scratch;
  scratch.set_scratch(true);
  got = decode(scratch, &base);
  REQUIRE(got);
  CHECK(got->session == "s");
  CHECK(got->name_space.empty());

  CHECK(wire::decode_start(codec::json, R"({"eval":{"source":"1"}})", &base)->session == "s");
}

TEST_CASE("defaults that nothing could be run with are refused", "[daemon][unit]") {
  CHECK(wire::decode_defaults(codec::json, "{}"));
  CHECK(wire::decode_defaults(codec::json, R"({"session":"s","options":{"timeoutMs":"5"}})"));
  CHECK_FALSE(wire::decode_defaults(codec::json, R"({"namespace":"n"})"));
  CHECK_FALSE(wire::decode_defaults(codec::proto, std::string{"\x22\x02\x18\x09", 4}));
  CHECK_FALSE(wire::decode_defaults(codec::json, R"({"sessions":"s"})"));
}

TEST_CASE("variables in natural JSON join the typed ones", "[daemon][unit]") {
  auto got = wire::decode_eval(
      codec::json,
      R"({"variables":{"a":{"integer":"1"}},"jsonVariables":{"b":[1,{"c":null}],"d":"e"}})");
  REQUIRE(got);
  auto dict = value_of(got->operands).dict();
  REQUIRE(dict.entries_size() == 3);
  CHECK(dict.entries(0).key().text() == "a");
  auto both = wire::decode_eval(codec::json,
                                R"({"variables":{"a":{"integer":"1"}},"jsonVariables":{"a":2}})");
  REQUIRE_FALSE(both);
  CHECK(both.why().code == errc::invalid_argument);
  CHECK(both.why().detail.find("\"a\"") != std::string::npos);
  // An empty Struct says that there are none, and is no error.
  CHECK(wire::decode_eval(codec::json, R"({"jsonVariables":{}})"));
}
