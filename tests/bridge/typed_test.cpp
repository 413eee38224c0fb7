// SPDX-License-Identifier: Apache-2.0
#include "bridge/natural.hpp"
#include "bridge/validate.hpp"
#include "tests/bridge/encode.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <limits>
#include <string>

using namespace vivarium;
using namespace vivarium::bridge;
using namespace vivarium::bridge::testing;
using namespace std::string_literals;

namespace {

// The kinds that JSON lacks: what it accepts is shown, in both forms.
std::string json(const std::string& value) {
  REQUIRE(validate_value(value));
  std::string out, as_struct;
  append_json(out, value);
  append_struct_value(as_struct, value);
  CHECK_FALSE(as_struct.empty());
  return out;
}

std::string key_of(const std::string& key) {
  auto shown = json(dict({{key, none()}}));
  return shown.substr(2, shown.size() - 2 - std::string{"\":null}"}.size());
}

std::string doubles(std::initializer_list<double> values) {
  std::string out;
  for (auto value : values)
    out.append(reinterpret_cast<const char*>(&value), sizeof(value));
  return out;
}

const std::string uuid_bytes = "\x12\x34\x56\x78\x12\x34\x56\x78\x12\x34\x56\x78\x9a\xbc\xde\xf0";
constexpr std::int64_t hour_us = 3'600'000'000;
constexpr auto infinity = std::numeric_limits<double>::infinity();

bool accepts(const std::string& value) {
  return static_cast<bool>(validate_value(value));
}

} // namespace

TEST_CASE("numbers of two parts are shown as Python does", "[bridge]") {
  CHECK(json(complex(1, 2)) == "\"(1+2j)\"");
  CHECK(json(complex(0, 1.5)) == "\"1.5j\"");
  CHECK(json(complex(0, -0.0)) == "\"-0j\"");
  CHECK(json(complex(-0.0, 1)) == "\"(-0+1j)\"");
  CHECK(json(complex(1e16, NAN)) == "\"(1e+16+nanj)\"");
  CHECK(json(complex(NAN, -infinity)) == "\"(nan-infj)\"");
}

TEST_CASE("dates and times are shown in their iso format", "[bridge]") {
  CHECK(json(wrapped(16, numbers({1, 2, 3}))) == R"("0001-02-03")");
  CHECK(json(wrapped(17, numbers({3, 4, 5}))) == R"("03:04:05")");
  CHECK(json(wrapped(17, numbers({0, 0, 0, 6}))) == R"("00:00:00.000006")");
  auto time = numbers({23, 59, 59, 999'999, 1});
  auto date = numbers({2026, 11, 20});
  CHECK(json(datetime(date, time)) == R"("2026-11-20T23:59:59.999999")");
  auto in = [&](std::int64_t offset, std::string_view name) {
    return json(datetime(date, numbers({1}) + wrapped(6, zone(offset, name))));
  };
  CHECK(in(0, "") == R"("2026-11-20T01:00:00+00:00")");
  CHECK(in(hour_us, "Europe/Rome") == R"("2026-11-20T01:00:00+01:00")");
  CHECK(in(-hour_us / 2, "") == R"("2026-11-20T01:00:00-00:30")");
  CHECK(in(-1, "") == R"("2026-11-20T01:00:00-00:00:00.000001")");
  CHECK(in(1'000'000, "") == R"("2026-11-20T01:00:00+00:00:01")");
  auto nowhere = wrapped(17, numbers({1}) + wrapped(6, bytes_of(2, "Europe/Rome")));
  CHECK(json(nowhere) == R"("01:00:00")");
  CHECK(json(timedelta(0, 0, 0)) == R"("0:00:00")");
  CHECK(json(timedelta(-1, 86'399, 0)) == R"("-1 day, 23:59:59")");
  CHECK(json(timedelta(2, 3600 * 10, 7)) == R"("2 days, 10:00:00.000007")");
}

TEST_CASE("the other kinds that JSON lacks", "[bridge]") {
  CHECK(json(bytes_of(13, "f")) == R"("Zg==")");
  CHECK(json(bytes_of(19, "1.50")) == R"("1.50")");
  CHECK(json(bytes_of(20, uuid_bytes)) == R"("12345678-1234-5678-1234-56789abcdef0")");
  CHECK(json(bytes_of(21, "ok")) == R"("ok")");
  CHECK(json(sequence(12, {integer(1)})) == "[1]");
  CHECK(json(term("pid", "f")) == R"({"type":"pid","data":"Zg=="})");
  CHECK(json(wrapped(22, "")) == R"({"type":"","data":""})");
  CHECK(json(ref("ref_a", "T", "<T>")) == R"({"$ref":"ref_a","type":"T","repr":"<T>"})");
  auto sized = wrapped(26, bytes_of(1, "ref_a") + message([](auto& w) { w.add_uint64(4, ~0ull); }));
  CHECK(json(sized) == R"({"$ref":"ref_a","type":"","repr":"","length":"18446744073709551615"})");
  CHECK(json(wrapped(25, bytes_of(2, "f"))) == R"("f")");
}

TEST_CASE("small arrays of numbers are lists", "[bridge]") {
  CHECK(json(array("<f8", {2}, doubles({1.5, NAN}))) == R"([1.5,"NaN"])");
  CHECK(json(array("<f8", {}, doubles({2}))) == "2");
  CHECK(json(array("<f8", {0}, "")) == "[]");
  CHECK(json(array("<f8", {2, 0}, "")) == "[[],[]]");
  CHECK(json(array("|b1", {2, 1}, "\x01\x00"s)) == "[[true],[false]]");
  CHECK(json(array("|i1", {2}, "\xff\x7f")) == "[-1,127]");
  CHECK(json(array(">i2", {2}, "\xff\xfe\x01\x00"s)) == "[-2,256]");
  CHECK(json(array("<u8", {1}, std::string(8, '\xff'))) == R"(["18446744073709551615"])");
  CHECK(json(array("<i8", {1}, std::string(8, '\xff'))) == "[-1]");
  CHECK(json(array("<f4", {1}, "\x00\x00\x80\xbf"s)) == "[-1]");
  CHECK(json(array("<f2", {5}, "\x00\x3c\x01\x00\x00\x80\x00\x7c\x00\xfe"s))
        == R"([1,5.960464477539063e-08,-0,"Infinity","NaN"])");
  CHECK(json(array("|b1", {1, 1, 1, 1, 1, 1}, "\x01")) == "[[[[[[true]]]]]]");
}

TEST_CASE("other arrays are told by their buffer", "[bridge]") {
  CHECK(json(array("|b1", {1, 1, 1, 1, 1, 1, 1}, "\x01"))
        == R"({"dtype":"|b1","shape":[1,1,1,1,1,1,1],"data":"AQ=="})");
  CHECK(json(array("<c8", {1}, std::string(8, 'a')))
        == R"({"dtype":"<c8","shape":[1],"data":"YWFhYWFhYWE="})");
  CHECK(json(array("|S2", {1}, "ab")) == R"({"dtype":"|S2","shape":[1],"data":"YWI="})");
  CHECK(json(array("<M8[ns]", {}, std::string(8, '\0')))
        == R"({"dtype":"<M8[ns]","shape":[],"data":"AAAAAAAAAAA="})");
  CHECK(json(array("|i1", {100'000}, std::string(100'000, '\1')))[0] == '[');
  CHECK(json(array("|i1", {100'001}, std::string(100'001, '\1')))[0] == '{');
  CHECK(json(array("<f16", {1}, std::string(16, '\0')))[0] == '{');
  CHECK(json(array("<f8", {1'000'000'000'000, 0}, ""))[0] == '{'); // Not so many empty lists.
}

TEST_CASE("keys of these kinds are their repr", "[bridge]") {
  CHECK(key_of(bytes_of(21, "ok")) == "ok");
  CHECK(key_of(bytes_of(19, "1.5")) == "Decimal('1.5')");
  CHECK(key_of(complex(1, 2)) == "(1+2j)");
  CHECK(key_of(bytes_of(20, uuid_bytes)) == "UUID('12345678-1234-5678-1234-56789abcdef0')");
  CHECK(key_of(sequence(12, {integer(1)})) == "frozenset({1})");
  CHECK(key_of(sequence(12, {})) == "frozenset()");
  CHECK(key_of(wrapped(16, numbers({2026, 1, 2}))) == "datetime.date(2026, 1, 2)");
  CHECK(key_of(wrapped(17, numbers({1, 2}))) == "datetime.time(1, 2)");
  CHECK(key_of(timedelta(0, 0, 0)) == "datetime.timedelta(0)");
  CHECK(key_of(timedelta(-1, 5, 0)) == "datetime.timedelta(days=-1, seconds=5)");
  auto time = numbers({1, 2, 3, 0, 1}) + wrapped(6, zone(-hour_us, ""));
  CHECK(key_of(datetime(numbers({2026, 1, 2}), time))
        == "datetime.datetime(2026, 1, 2, 1, 2, 3, fold=1, "
           "tzinfo=datetime.timezone(datetime.timedelta(days=-1, seconds=82800)))");
  CHECK(key_of(term("t", "d")) == "Term('t', b'd')");
}

TEST_CASE("ranges of numbers are checked on both sides", "[bridge]") {
  CHECK(accepts(wrapped(16, numbers({9999, 12, 31}))));
  CHECK_FALSE(accepts(wrapped(16, numbers({10'000, 12, 31}))));
  CHECK_FALSE(accepts(wrapped(16, numbers({9999, 13, 31}))));
  CHECK_FALSE(accepts(wrapped(16, numbers({9999, 12, 32}))));
  CHECK(accepts(wrapped(17, numbers({23, 59, 59, 999'999, 1}))));
  CHECK_FALSE(accepts(wrapped(17, numbers({24}))));
  CHECK_FALSE(accepts(wrapped(17, numbers({0, 60}))));
  CHECK_FALSE(accepts(wrapped(17, numbers({0, 0, 60}))));
  CHECK_FALSE(accepts(wrapped(17, numbers({0, 0, 0, 1'000'000}))));
  CHECK_FALSE(accepts(wrapped(17, numbers({0, 0, 0, 0, 2}))));
  for (auto sign : {1, -1}) {
    CHECK(accepts(wrapped(17, wrapped(6, zone(sign * (24 * hour_us - 1), "")))));
    CHECK_FALSE(accepts(wrapped(17, wrapped(6, zone(sign * 24 * hour_us, "")))));
    CHECK(accepts(timedelta(sign * 999'999'999, 86'399, 999'999)));
    CHECK_FALSE(accepts(timedelta(sign * 1'000'000'000, 0, 0)));
  }
  CHECK_FALSE(accepts(timedelta(0, 86'400, 0)));
  CHECK_FALSE(accepts(timedelta(0, 0, 1'000'000)));
  CHECK_FALSE(accepts(bytes_of(20, std::string(15, 'x'))));
  CHECK_FALSE(accepts(bytes_of(20, std::string(17, 'x'))));
}

TEST_CASE("an array's data is as long as its shape says", "[bridge]") {
  CHECK(accepts(array("<i4", {2, 3}, std::string(24, 'x'))));
  CHECK_FALSE(accepts(array("<i4", {2, 3}, std::string(23, 'x'))));
  CHECK_FALSE(accepts(array("<i4", {2, 3}, std::string(25, 'x'))));
  CHECK_FALSE(accepts(array("<i4", {1ull << 63, 2}, ""))); // Not zero by overflow.
  CHECK_FALSE(accepts(array("<i4", {1ull << 62}, "")));
  CHECK(accepts(array("<i4", {1ull << 63, 1ull << 63, 0}, "")));
  for (const char* plain : {"b1", "|b1", ">i8", "<c16", "<U0", "|S0", "<M8", "<m8[25us]"})
    CHECK(accepts(array(plain, {0}, "")));
  for (const char* other : {"", "<", "O", "|O", "|V4", "<i3", "<f8[ns]", "<M8[]", "<M8[x]", "i",
                            "<i8 ", "<U1073741824", "<M4[s]", "<i99999999999999999999999"})
    CHECK_FALSE(accepts(array(other, {0}, "")));
  auto dimensions = [](std::size_t count) {
    auto inner = bytes_of(1, "|b1") + bytes_of(2, std::string(count, '\1')) + bytes_of(3, "x");
    return wrapped(23, inner);
  };
  CHECK(accepts(dimensions(64)));
  CHECK_FALSE(accepts(dimensions(65)));
}

TEST_CASE("packed numbers are read, and counted", "[bridge]") {
  auto unpacked = bytes_of(1, "|b1") + message([](auto& w) {
                    w.add_uint64(2, 1);
                    w.add_uint64(2, 2);
                  })
                  + bytes_of(3, "xy");
  CHECK(json(wrapped(23, unpacked)) == "[[true,true]]");
  CHECK_FALSE(accepts(wrapped(23, bytes_of(1, "|b1") + bytes_of(2, "\x81"))));
  auto error = message([](auto& w) { w.add_enum(1, 2); });
  auto shapes = bytes_of(1, "matmul") + bytes_of(2, std::string(100, '\1'));
  CHECK(validate_error(error + wrapped(14, shapes), {.max_items = 102}));
  CHECK_FALSE(validate_error(error + wrapped(14, shapes), {.max_items = 101}));
}

TEST_CASE("errors carry arguments and one of the details", "[bridge]") {
  auto error = message([](auto& w) { w.add_enum(1, 16); }) + bytes_of(12, "unserializable");
  CHECK(validate_error(error + wrapped(13, integer(1)) + wrapped(13, none())));
  CHECK_FALSE(validate_error(error + wrapped(13, "")));
  auto memory = wrapped(15, bytes_of(1, "cuda:0") + message([](auto& w) { w.add_uint64(2, 7); }));
  auto dtype = wrapped(16, bytes_of(1, "float32") + bytes_of(2, "int64") + bytes_of(3, "cast"));
  CHECK(validate_error(error + memory));
  CHECK(validate_error(error + dtype));
  CHECK_FALSE(validate_error(error + memory + dtype));
  CHECK_FALSE(validate_error(error + error));
}

TEST_CASE("leaves that are messages fit into the innermost container", "[bridge]") {
  auto moment = datetime(numbers({2026, 1, 1}), wrapped(6, zone(0, "")));
  auto nested = [](std::string value, int depth) {
    for (int i = 0; i < depth; ++i)
      value = dict({{integer(1), value}});
    return value;
  };
  CHECK(accepts(nested(moment, 28)));
  CHECK_FALSE(accepts(nested(moment, 29)));
}

TEST_CASE("objects to be made are values inside", "[bridge]") {
  auto entry = wrapped(4, wrapped(1, text("k")) + wrapped(2, none()));
  CHECK(accepts(wrapped(25, bytes_of(1, "m") + bytes_of(2, "f") + wrapped(3, integer(1)) + entry)));
  CHECK_FALSE(accepts(wrapped(25, bytes_of(2, "f") + wrapped(3, ""))));
  CHECK_FALSE(accepts(wrapped(25, bytes_of(2, "f") + wrapped(4, wrapped(1, text("k"))))));
  CHECK_FALSE(accepts(bytes_of(24, "table")));
  CHECK_FALSE(accepts(bytes_of(27, "function")));
}

TEST_CASE("whatever is cut off is refused", "[bridge]") {
  auto moment =
      datetime(numbers({2026, 1, 1}), numbers({1, 2, 3, 4, 1}) + wrapped(6, zone(1, "x")));
  auto all = sequence(8, {complex(1, 2), moment, timedelta(1, 2, 3), bytes_of(20, uuid_bytes),
                          term("t", "d"), array("<i2", {2}, "abcd"), ref("ref_a", "T", "r")});
  REQUIRE(accepts(all));
  for (std::size_t cut = 0; cut < all.size(); ++cut)
    CHECK_FALSE(accepts(all.substr(0, cut)));
}
