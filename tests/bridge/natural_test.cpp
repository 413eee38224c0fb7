// SPDX-License-Identifier: Apache-2.0
#include "bridge/natural.hpp"
#include "tests/bridge/encode.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <limits>
#include <string>

using namespace vivarium::bridge;
using namespace vivarium::bridge::testing;

namespace {

std::string json(const std::string& value) {
  std::string out;
  append_json(out, value);
  return out;
}

std::string as_struct(const std::string& value) {
  std::string out;
  append_struct_value(out, value);
  return out;
}

constexpr auto infinity = std::numeric_limits<double>::infinity();
constexpr auto exact = (std::int64_t{1} << 53) - 1;

} // namespace

TEST_CASE("the table of natural JSON", "[bridge]") {
  CHECK(json(none()) == "null");
  CHECK(json(boolean(true)) == "true");
  CHECK(json(integer(-7)) == "-7");
  CHECK(json(integer(exact)) == "9007199254740991");
  CHECK(json(integer(exact + 1)) == "\"9007199254740992\"");
  CHECK(json(integer(-exact - 1)) == "\"-9007199254740992\"");
  CHECK(json(integer(std::numeric_limits<std::int64_t>::min())) == "\"-9223372036854775808\"");
  CHECK(json(real(1.5)) == "1.5");
  CHECK(json(real(-0.0)) == "-0");
  CHECK(json(real(NAN)) == "\"NaN\"");
  CHECK(json(real(infinity)) == "\"Infinity\"");
  CHECK(json(real(-infinity)) == "\"-Infinity\"");
  CHECK(json(blob("")) == "\"\"");
  CHECK(json(blob("f")) == "\"Zg==\"");
  CHECK(json(blob("fo")) == "\"Zm8=\"");
  CHECK(json(blob("\xfb\xff\xfe")) == "\"+//+\"");
  CHECK(json(sequence(8, {integer(1), sequence(9, {}), sequence(11, {text("a")})}))
        == R"([1,[],["a"]])");
  CHECK(json(opaque("T", "<T>")) == "\"<T>\"");
  CHECK(json(dict({})) == "{}");
}

TEST_CASE("big integers are decimal strings", "[bridge]") {
  using namespace std::string_literals;
  CHECK(json(big("\x00\x00\x00\x00\x00\x00\x00\x80\x00"s)) == "\"9223372036854775808\"");
  CHECK(json(big("\xff\xff\xff\xff\xff\xff\xff\x7f\xff"s)) == "\"-9223372036854775809\"");
  CHECK(json(big(std::string(8, '\0') + '\x80')) == "\"-2361183241434822606848\"");
  CHECK(json(big(std::string(8, '\0') + '\x01')) == "\"18446744073709551616\"");
  CHECK(json(big(std::string(12, '\0') + "\xff")) == "\"-79228162514264337593543950336\"");
  CHECK(json(big("")) == "\"0\"");
  CHECK(json(big("\xff")) == "\"-1\"");
}

TEST_CASE("what would take too long in decimal is hexadecimal", "[bridge]") {
  auto long_one = json(big(std::string(4000, '\x11')));
  CHECK(long_one.substr(0, 5) == "\"0x11");
  CHECK(long_one.size() == 2 + 2 + 8000);
  CHECK(json(big(std::string(4000, '\0') + "\x80")).substr(0, 5) == "\"-0x8");
}

TEST_CASE("keys that are no str are their repr, and the later of two wins", "[bridge]") {
  CHECK(json(dict({{integer(1), integer(2)}, {boolean(true), none()}, {none(), none()}}))
        == R"({"1":2,"True":null,"None":null})");
  CHECK(json(dict({{sequence(9, {integer(1), text("it's")}), none()}}))
        == R"js({"(1, \"it's\")":null})js");
  CHECK(json(dict({{sequence(9, {integer(1)}), none()}})) == R"js({"(1,)":null})js");
  CHECK(json(dict({{blob("a\x01'\xff"), none()}})) == R"({"b\"a\\x01'\\xff\"":null})");
  CHECK(json(dict(
            {{real(1), none()}, {real(1e16), none()}, {real(1e-5), none()}, {real(0.1), none()}}))
        == R"({"1.0":null,"1e+16":null,"1e-05":null,"0.1":null})");
  CHECK(json(dict({{integer(1), text("a")}, {integer(2), none()}, {text("1"), text("b")}}))
        == R"({"1":"b","2":null})");
}

TEST_CASE("strings are escaped", "[bridge]") {
  std::string out;
  append_json_string(out, "a\"\\\n\t\x01\x7f/ä\xe2\x80\xa8\xe2\x80\xa9€");
  CHECK(out == "\"a\\\"\\\\\\n\\t\\u0001\\u007f/ä\\u2028\\u2029€\"");
}

TEST_CASE("google.protobuf.Value carries the same table", "[bridge]") {
  CHECK(as_struct(none()) == message([](auto& w) { w.add_enum(1, 0); }));
  CHECK(as_struct(boolean(false)) == message([](auto& w) { w.add_bool(4, false); }));
  CHECK(as_struct(integer(3)) == message([](auto& w) { w.add_double(2, 3); }));
  CHECK(as_struct(integer(exact + 1))
        == message([](auto& w) { w.add_string(3, "9007199254740992"); }));
  CHECK(as_struct(real(NAN)) == message([](auto& w) { w.add_string(3, "NaN"); }));
  CHECK(as_struct(blob("f")) == message([](auto& w) { w.add_string(3, "Zg=="); }));
  auto one = message([](auto& w) { w.add_double(2, 1); });
  auto list = message([&](auto& w) { w.add_message(1, one); });
  CHECK(as_struct(sequence(9, {integer(1)})) == message([&](auto& w) { w.add_message(6, list); }));
  auto entry = message([&](auto& w) {
    w.add_string(1, "(1,)");
    w.add_message(2, one);
  });
  auto fields = message([&](auto& w) { w.add_message(1, entry); });
  CHECK(as_struct(dict({{sequence(9, {integer(1)}), integer(1)}}))
        == message([&](auto& w) { w.add_message(5, fields); }));
}
