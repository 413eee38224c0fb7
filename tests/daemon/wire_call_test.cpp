// SPDX-License-Identifier: Apache-2.0
#include "daemon/wire.hpp"

#include <catch2/catch.hpp>

#include <string>

#include "vivarium/v1/execution.pb.h"

using namespace vivarium;
using wire::codec;

namespace {

result<submission> decode(const v1::CallRequest& request) {
  return wire::decode_call(codec::proto, request.SerializeAsString());
}

v1::Sequence operands_of(const result<submission>& got) {
  REQUIRE(got);
  v1::Value out;
  REQUIRE(out.ParseFromString(got->operands));
  REQUIRE(out.list().items_size() == 5);
  return out.list();
}

v1::CallRequest on_variable(v1::Operation operation, int args, const std::string& name = {}) {
  v1::CallRequest out;
  out.mutable_target()->set_variable("x");
  out.set_operation(operation);
  out.set_name(name);
  for (int i = 0; i < args; ++i)
    out.add_args()->set_integer(i);
  return out;
}

} // namespace

TEST_CASE("a call becomes the operands that a worker expects", "[daemon][unit]") {
  v1::CallRequest request;
  request.set_session("s");
  request.set_namespace_("n");
  request.mutable_target()->set_module("os.path");
  request.set_name("join");
  request.add_args()->set_text("a");
  request.add_args()->mutable_tuple()->add_items()->set_boolean(true);
  (*request.mutable_kwargs())["k"].set_real(1.5);
  request.mutable_options()->set_timeout_ms(9);
  request.mutable_options()->set_result_format(v1::RESULT_FORMAT_JSON);
  request.set_environment("data");
  auto got = decode(request);
  auto list = operands_of(got);
  CHECK(got->mode == bridge::run_mode::call);
  CHECK(got->session == "s");
  CHECK(got->name_space == "n");
  CHECK(got->timeout.count() == 9);
  CHECK(got->environment == "data");
  CHECK(got->answer_format == v1::RESULT_FORMAT_JSON);
  CHECK(list.items(0).integer() == v1::OPERATION_CALL);
  CHECK(list.items(1).tuple().items(0).text() == "module");
  CHECK(list.items(1).tuple().items(1).text() == "os.path");
  CHECK(list.items(2).text() == "join");
  CHECK(list.items(3).list().items_size() == 2);
  CHECK(list.items(3).list().items(1).tuple().items(0).boolean());
  CHECK(list.items(4).dict().entries(0).key().text() == "k");
  CHECK(list.items(4).dict().entries(0).value().real() == 1.5);
}

TEST_CASE("every target has its tuple", "[daemon][unit]") {
  v1::CallRequest request;
  request.set_operation(v1::OPERATION_REPR);
  request.mutable_target()->set_variable("x");
  auto target = operands_of(decode(request)).items(1).tuple();
  CHECK(target.items(0).text() == "variable");
  CHECK(target.items(1).text() == "x");
  request.mutable_target()->mutable_value()->set_integer(7);
  target = operands_of(decode(request)).items(1).tuple();
  CHECK(target.items(0).text() == "value");
  CHECK(target.items(1).integer() == 7);
  request.mutable_target()->clear_kind();
  CHECK_FALSE(decode(request));
  request.mutable_target()->set_module("");
  CHECK_FALSE(decode(request));
  request.mutable_target()->mutable_value();
  CHECK_FALSE(decode(request)); // A value without a kind.
}

TEST_CASE("each operation takes the arguments that it needs", "[daemon][unit]") {
  struct {
    v1::Operation operation;
    int args;
    const char* name;
  } const cases[] = {{v1::OPERATION_GET, 0, "a"},        {v1::OPERATION_GET, 0, ""},
                     {v1::OPERATION_SET, 1, "a"},        {v1::OPERATION_DELETE, 0, "a"},
                     {v1::OPERATION_GET_ITEM, 1, ""},    {v1::OPERATION_SET_ITEM, 2, ""},
                     {v1::OPERATION_DELETE_ITEM, 1, ""}, {v1::OPERATION_REPR, 0, ""},
                     {v1::OPERATION_STR, 0, ""},         {v1::OPERATION_LEN, 0, "a.b"},
                     {v1::OPERATION_ITER, 0, ""},        {v1::OPERATION_CONTAINS, 1, ""},
                     {v1::OPERATION_BOOL, 0, ""},        {v1::OPERATION_HASH, 0, ""},
                     {v1::OPERATION_DIR, 0, ""},         {v1::OPERATION_TAKE, 1, ""},
                     {v1::OPERATION_ENTER, 0, ""},       {v1::OPERATION_EXIT, 0, ""}};
  for (const auto& one : cases) {
    INFO(v1::Operation_Name(one.operation));
    auto list = operands_of(decode(on_variable(one.operation, one.args, one.name)));
    CHECK(list.items(0).integer() == one.operation);
    CHECK_FALSE(decode(on_variable(one.operation, one.args + 1, one.name)));
    if (one.args > 0)
      CHECK_FALSE(decode(on_variable(one.operation, one.args - 1, one.name)));
    auto with_keyword = on_variable(one.operation, one.args, one.name);
    (*with_keyword.mutable_kwargs())["k"].set_integer(1);
    CHECK_FALSE(decode(with_keyword));
  }
  CHECK(operands_of(decode(on_variable(v1::OPERATION_UNSPECIFIED, 9))).items(0).integer()
        == v1::OPERATION_CALL);
  CHECK_FALSE(decode(on_variable(static_cast<v1::Operation>(19), 0)));
  CHECK_FALSE(decode(on_variable(v1::OPERATION_SET, 1)));
  CHECK_FALSE(decode(on_variable(v1::OPERATION_DELETE, 0)));
  CHECK(v1::Operation_MAX == v1::OPERATION_EXIT); // A new one needs its arity.
}

TEST_CASE("a module is not called by itself, and names are bounded", "[daemon][unit]") {
  v1::CallRequest request;
  request.mutable_target()->set_module("os");
  CHECK_FALSE(decode(request));
  request.set_operation(v1::OPERATION_GET);
  CHECK(decode(request));
  request.set_name(std::string(4'096, 'a'));
  CHECK(decode(request));
  request.set_name(std::string(4'097, 'a'));
  CHECK_FALSE(decode(request));
}

TEST_CASE("calls in JSON are read as those in binary", "[daemon][unit]") {
  auto got = wire::decode_call(codec::json, R"({"target":{"module":"math"},"name":"sqrt",
    "args":[{"integer":"16"}],"kwargs":{"a":{"text":"b"}}})");
  auto list = operands_of(got);
  CHECK(list.items(3).list().items(0).integer() == 16);
  CHECK_FALSE(wire::decode_call(codec::json, R"({"target":{"modul":"math"}})"));
}

TEST_CASE("a long argument is passed through as it is", "[daemon][unit]") {
  auto request = on_variable(v1::OPERATION_UNSPECIFIED, 0);
  std::string bytes(1u << 20, '\xff');
  request.add_args()->set_blob(bytes);
  CHECK(operands_of(decode(request)).items(3).list().items(0).blob() == bytes);
}

TEST_CASE("arguments in natural JSON are values", "[daemon][unit]") {
  auto got = wire::decode_call(codec::json, R"({"target":{"variable":"f"},
    "jsonArgs":[1,1.5,"a",null,[true],{"k":{"$ref":"ref_abc"}}],"jsonKwargs":{"b":2,"a":3}})");
  auto list = operands_of(got);
  auto args = list.items(3).list();
  REQUIRE(args.items_size() == 6);
  CHECK(args.items(0).integer() == 1);
  CHECK(args.items(1).real() == 1.5);
  CHECK(args.items(3).has_none());
  CHECK(args.items(5).dict().entries(0).value().ref().id() == "ref_abc");
  CHECK(list.items(4).dict().entries_size() == 2);
  got = wire::decode_call(
      codec::json,
      R"({"target":{"variable":"f"},"operation":"OPERATION_SET_ITEM","jsonArgs":["k",1]})");
  CHECK(operands_of(got).items(3).list().items_size() == 2);
  for (auto text :
       {R"({"target":{"variable":"f"},"args":[{"integer":"1"}],"jsonArgs":[1]})",
        R"({"target":{"variable":"f"},"kwargs":{"a":{"integer":"1"}},"jsonKwargs":{"b":1}})",
        R"({"target":{"variable":"f"},"operation":"OPERATION_LEN","jsonArgs":[1]})",
        R"({"target":{"variable":"f"},"operation":"OPERATION_LEN","jsonKwargs":{"a":1}})"}) {
    INFO(text);
    auto refused = wire::decode_call(codec::json, text);
    REQUIRE_FALSE(refused);
    CHECK(refused.why().code == errc::invalid_argument);
  }
}

TEST_CASE("a ref as target may say no more than its id", "[daemon][unit]") {
  auto got = wire::decode_call(
      codec::json, R"({"target":{"ref":{"id":"ref_abc"}},"operation":"OPERATION_LEN"})");
  auto target = operands_of(got).items(1).tuple();
  CHECK(target.items(0).text() == "value");
  CHECK(target.items(1).ref().id() == "ref_abc");
}
