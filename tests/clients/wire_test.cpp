// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/src/wire.hpp"

#include <catch2/catch.hpp>

using namespace vivarium;
using namespace std::chrono_literals;

namespace {

value travelled(const value& from) {
  v1::Value message;
  detail::encode(from, message);
  v1::Value arrived;
  REQUIRE(arrived.ParseFromString(message.SerializeAsString()));
  return detail::decode(arrived, {});
}

} // namespace

TEST_CASE("every kind of value survives the wire", "[clients][unit]") {
  const std::vector<value> kinds{
      none{},
      true,
      std::numeric_limits<std::int64_t>::min(),
      big_int{"-36893488147419103232"},
      -0.0,
      "ä",
      bytes{std::string{"\0\xff", 2}},
      value::list_of({1, value::list_of({})}),
      tuple{{1, "a"}},
      value::dict_of({{1, "a"}, {none{}, tuple{}}}),
      set{{1, 2}},
      frozenset{{"x"}},
      bytearray{bytes{std::string{"b"}}},
      std::complex<double>{1, 2},
      datetime{{2024, 2, 29}, {23, 59, 58, 999'999, 1, zone{-90min, "Europe/Lisbon"}}},
      datetime{{1, 1, 1}, {}},
      date{9999, 12, 31},
      time_of_day{1, 2, 3, 4, 0, zone{}},
      timedelta{-1, 86'399, 999'999},
      decimal{"1.50"},
      uuid{{std::byte{1}, std::byte{255}}},
      symbol{"s"},
      term{"t", bytes{std::string{"\0", 1}}},
      ndarray{"<i4", {1, 2}, std::string(8, '\1')},
      construct{"datetime", "date", {2024, 1}, {{"day", 2}}},
  };
  for (const auto& each : kinds) {
    INFO(each.type_name());
    CHECK(travelled(each) == each);
  }
}

TEST_CASE("a ref travels by its id", "[clients][unit]") {
  v1::Value message;
  message.mutable_ref()->set_id("ref_a");
  message.mutable_ref()->set_type_name("io.BytesIO");
  message.mutable_ref()->set_length(3);
  const auto held = detail::decode(message, {}).as<ref>();
  CHECK(held.type_name() == "io.BytesIO");
  CHECK(held.length() == 3U);
  v1::Value again;
  detail::encode(held, again);
  CHECK(again.ref().id() == "ref_a");
  CHECK(again.ref().type_name().empty());
  CHECK_THROWS_AS(held.str(), connection_error); // It belongs to no connection.
}

TEST_CASE("a function travels by its name, over a connection only", "[clients][unit]") {
  v1::Value message;
  message.mutable_function()->set_name("auth.get");
  const auto held = detail::decode(message, {}).as<host_function>();
  CHECK(held.name() == "auth.get");
  CHECK(value{held}.type_name() == "vivarium.HostFunction");
  v1::Value again;
  CHECK_THROWS_AS(detail::encode(held, again), conversion_error);
  CHECK_THROWS_AS(detail::encode([](host_call&) { return 1; }, again), conversion_error);
}

TEST_CASE("what cannot travel says so", "[clients][unit]") {
  v1::Value message;
  CHECK_THROWS_AS(detail::encode(ref{}, message), conversion_error);
  CHECK_THROWS_AS(detail::encode(opaque{"socket", "<socket>"}, message), conversion_error);
  value deep;
  for (int i = 0; i < 100; ++i)
    deep = list{{std::move(deep)}};
  CHECK_NOTHROW(detail::encode(deep, message));
  for (int i = 0; i < 500; ++i)
    deep = list{{std::move(deep)}};
  CHECK_THROWS_AS(detail::encode(deep, message), conversion_error);
}

TEST_CASE("every refusal has its exception", "[clients][unit]") {
  v1::ServerFrame answer;
  auto& failure = *answer.mutable_error();
  failure.set_message("why");
  failure.mutable_detail()->set_request_id("req_1");
  auto refusal = [&](const char* connect_code, const char* code) {
    failure.set_code(connect_code);
    failure.mutable_detail()->set_code(code);
    detail::check_answer(answer);
  };
  CHECK_THROWS_AS(refusal("not_found", "not_found"), not_found_error);
  CHECK_THROWS_AS(refusal("already_exists", "already_exists"), already_exists_error);
  CHECK_THROWS_AS(refusal("invalid_argument", ""), invalid_argument_error);
  CHECK_THROWS_AS(refusal("resource_exhausted", "busy"), busy_error);
  CHECK_THROWS_AS(refusal("resource_exhausted", "limit_exceeded"), limit_error);
  CHECK_THROWS_AS(refusal("unavailable", "unavailable"), unavailable_error);
  CHECK_THROWS_AS(refusal("canceled", "cancelled"), cancelled_error);
  CHECK_THROWS_AS(refusal("deadline_exceeded", "deadline_exceeded"), timeout_error);
  CHECK_THROWS_AS(refusal("aborted", "session_lost"), session_lost_error);
  CHECK_THROWS_AS(refusal("permission_denied", "permission_denied"), request_error);
  CHECK_THROWS_AS(refusal("a code of the future", ""), request_error);
  failure.mutable_error()->set_type("ValueError");
  failure.mutable_error()->set_kind(v1::ERROR_KIND_PYTHON);
  try {
    detail::check_answer(answer);
    FAIL("passed");
  } catch (const python_error& why) {
    CHECK(why.is("ValueError"));
    CHECK(why.request_id() == "req_1");
  }
}
