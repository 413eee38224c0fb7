// SPDX-License-Identifier: Apache-2.0
#include "bridge/natural.hpp"
#include "bridge/natural_in.hpp"
#include "tests/bridge/encode.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <limits>
#include <string>

using namespace vivarium;
using namespace vivarium::bridge;
using namespace vivarium::bridge::testing;

namespace {

// Encoded google.protobuf.Values.
std::string js_number(double v) {
  return message([&](auto& w) { w.add_double(2, v); });
}
std::string js_string(std::string_view v) {
  return bytes_of(3, v);
}
std::string entry(std::string_view key, const std::string& value) {
  return wrapped(1, bytes_of(1, key) + wrapped(2, value));
}
std::string js_object(const std::string& entries) {
  return wrapped(5, entries);
}
std::string js_list(std::initializer_list<std::string> items) {
  std::string inner;
  for (const auto& item : items)
    inner += wrapped(1, item);
  return wrapped(6, inner);
}

// The value, which the validator must accept.
std::string value_of(const std::string& encoded) {
  auto made = value_of_struct(encoded);
  REQUIRE(made);
  CHECK(validate_value(*made));
  return *made;
}

constexpr double exact = 9007199254740991;

} // namespace

TEST_CASE("JSON becomes plain values", "[bridge]") {
  CHECK(value_of("") == none());
  CHECK(value_of(message([](auto& w) { w.add_enum(1, 0); })) == none());
  CHECK(value_of(message([](auto& w) { w.add_bool(4, true); })) == boolean(true));
  CHECK(value_of(js_string("")) == text(""));
  CHECK(value_of(js_string("ä")) == text("ä"));
  CHECK(value_of(js_list({})) == sequence(8, {}));
  CHECK(value_of(js_object("")) == dict({}));
  CHECK(value_of(js_list({js_number(1), js_list({js_string("a")})})).find(std::string{"a"})
        != std::string::npos);
  std::string json;
  append_json(json, value_of(js_object(entry("b", js_list({js_number(1), js_object("")}))
                                       + entry("a", js_string("x")))));
  CHECK(json == R"({"b":[1,{}],"a":"x"})");
}

TEST_CASE("a number without a fraction is an int", "[bridge]") {
  CHECK(value_of(js_number(0)) == integer(0));
  CHECK(value_of(js_number(exact)) == integer(9007199254740991));
  CHECK(value_of(js_number(-exact)) == integer(-9007199254740991));
  CHECK(value_of(js_number(exact + 1)) == real(exact + 1));
  CHECK(value_of(js_number(-exact - 1)) == real(-exact - 1));
  CHECK(value_of(js_number(0.5)) == real(0.5));
  CHECK(value_of(js_number(-0.0)) == real(-0.0));
  CHECK(value_of(js_number(1e300)) == real(1e300));
  CHECK(value_of(js_number(std::numeric_limits<double>::infinity()))
        == real(std::numeric_limits<double>::infinity()));
  CHECK(value_of(js_number(NAN)) == real(NAN));
}

TEST_CASE("an object may be a ref", "[bridge]") {
  auto as_ref = wrapped(26, bytes_of(1, "ref_abc"));
  CHECK(value_of(js_object(entry("$ref", js_string("ref_abc")))) == as_ref);
  CHECK(value_of(js_object(entry("type", js_string("T")) + entry("$ref", js_string("ref_abc"))))
        == as_ref);
  auto first_byte = [](const std::string& value) { return value[0]; };
  constexpr char is_dict = 10 << 3 | 2;
  CHECK(first_byte(value_of(js_object(entry("$ref", js_string("abc"))))) == is_dict);
  CHECK(first_byte(value_of(js_object(entry("$ref", js_number(1))))) == is_dict);
  CHECK(first_byte(value_of(js_object(entry("ref", js_string("ref_abc"))))) == is_dict);
  auto map = value_of_struct_map(entry("$ref", js_string("ref_abc")));
  REQUIRE(map);
  CHECK(first_byte(*map) == is_dict);
}

TEST_CASE("lists and maps alone", "[bridge]") {
  auto list = value_of_list(wrapped(1, js_number(1)) + wrapped(1, ""));
  REQUIRE(list);
  std::string json;
  append_json(json, *list);
  CHECK(json == "[1,null]");
  CHECK(*value_of_list("") == sequence(8, {}));
  CHECK(*value_of_struct_map("") == dict({}));
}

TEST_CASE("JSON that nests, counts or weighs too much is refused, on both sides", "[bridge]") {
  auto nested = [](int depth) {
    auto value = js_number(1);
    for (int i = 0; i < depth; ++i)
      value = js_list({value});
    return value;
  };
  CHECK(validate_value(value_of(nested(43))));
  CHECK_FALSE(value_of_struct(nested(44)));
  auto objects = js_number(1);
  for (int i = 0; i < 29; ++i)
    objects = js_object(entry("k", objects));
  CHECK(validate_value(value_of(objects)));
  CHECK_FALSE(value_of_struct(js_object(entry("k", objects))));
  auto three = js_list({js_number(1), js_number(2), js_number(3)});
  CHECK(value_of_struct(three, {.max_items = 4}));
  CHECK_FALSE(value_of_struct(three, {.max_items = 3}));
  CHECK(value_of_struct(three, {.max_bytes = three.size()}));
  auto refused = value_of_struct(three, {.max_bytes = three.size() - 1});
  REQUIRE_FALSE(refused);
  CHECK(refused.why().code == errc::too_large);
}

TEST_CASE("JSON that is malformed is refused", "[bridge]") {
  auto whole = js_object(entry("k", js_list({js_string("xyz"), js_number(1)})));
  for (std::size_t cut = 1; cut < whole.size(); ++cut)
    CHECK_FALSE(value_of_struct(whole.substr(0, cut)));
  CHECK_FALSE(value_of_struct(js_string("\xff")));
  CHECK_FALSE(value_of_struct(js_object(entry("\xff", js_number(1)))));
  CHECK_FALSE(value_of_struct(js_object(entry("$ref", js_string("ref_\xff")))));
  CHECK_FALSE(value_of_struct(message([](auto& w) { w.add_bool(2, true); })));
  CHECK_FALSE(value_of_struct(bytes_of(7, "x")));
  CHECK_FALSE(value_of_struct(wrapped(6, bytes_of(2, "x"))));
  CHECK_FALSE(value_of_list("\x0a"));
  CHECK_FALSE(value_of_struct_map("\x0a"));
}
