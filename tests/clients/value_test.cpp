// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <vivarium/client.hpp>

#include <cmath>
#include <limits>

using namespace vivarium;
using namespace std::chrono_literals;

namespace {

template <class T>
void survives(const T& from) {
  CHECK(value{from}.as<T>() == from);
}

template <class T>
void refuses(const value& from) {
  CHECK_THROWS_AS(from.as<T>(), conversion_error);
}

struct point {
  int x = 0;
  int y = 0;
};

} // namespace

template <>
struct vivarium::converter<point> {
  static value to(const point& from) { return std::pair{from.x, from.y}; }
  static point from(const value& from) {
    auto [x, y] = from.as<std::pair<int, int>>();
    return {x, y};
  }
};

TEST_CASE("what goes into a value comes out of it", "[clients][unit]") {
  survives(true);
  survives(-1);
  survives(std::uint8_t{255});
  survives(std::numeric_limits<std::int64_t>::min());
  survives(std::numeric_limits<std::uint64_t>::max());
  survives(0.1);
  survives(1.5F);
  survives(std::numeric_limits<double>::infinity());
  survives(std::string{"ä\0b", 4});
  survives(std::vector<std::byte>{std::byte{0}, std::byte{255}});
  survives(std::vector<int>{1, 2, 3});
  survives(std::vector<bool>{true, false});
  survives(std::vector<std::vector<std::string>>{{"a"}, {}});
  survives(std::array<int, 3>{1, 2, 3});
  survives(std::map<std::string, double>{{"a", 1.0}, {"b", 2.0}});
  survives(std::unordered_map<int, std::string>{{1, "a"}, {2, "b"}});
  survives(std::set<int>{1, 2});
  survives(std::unordered_set<std::string>{"a", "b"});
  survives(std::optional<int>{});
  survives(std::optional<int>{3});
  survives(std::pair{1, std::string{"a"}});
  survives(std::tuple{1, 2.5, std::string{"a"}, std::optional<bool>{}});
  survives(std::complex<double>{1, -2});
  survives(1'500ms);
  survives(-36h);
  survives(std::chrono::system_clock::time_point{} + 1us);
  survives(std::chrono::sys_days{std::chrono::year{1} / 1 / 1} + 0s);
  survives(std::chrono::sys_days{std::chrono::year{9999} / 12 / 31} + 86'399s);
  survives(symbol{"atom"});
  survives(uuid{});
  CHECK(value{point{1, 2}}.as<point>().y == 2);
  CHECK(value{"text"}.as<std::string>() == "text");
  CHECK(value{std::nullopt}.is_none());
  CHECK(value{std::vector<int>{1}}.type_name() == "list");
  CHECK(value{std::pair{1, 2}}.type_name() == "tuple");
}

TEST_CASE("the range of an integer is checked on both sides", "[clients][unit]") {
  CHECK(value{127}.as<std::int8_t>() == 127);
  CHECK(value{-128}.as<std::int8_t>() == -128);
  refuses<std::int8_t>(128);
  refuses<std::int8_t>(-129);
  CHECK(value{0}.as<std::uint32_t>() == 0);
  refuses<std::uint32_t>(-1);
  CHECK(value{4294967295}.as<std::uint32_t>() == 4294967295U);
  refuses<std::uint32_t>(4294967296);
  refuses<std::int64_t>(std::numeric_limits<std::uint64_t>::max());
  refuses<std::uint64_t>(big_int{"18446744073709551616"});
  refuses<std::uint64_t>(big_int{"-9223372036854775809"});
  CHECK(value{big_int{"18446744073709551615"}}.as<std::uint64_t>()
        == std::numeric_limits<std::uint64_t>::max());
}

TEST_CASE("a float takes an int only when nothing is lost", "[clients][unit]") {
  CHECK(value{3}.as<double>() == 3.0);
  CHECK(value{std::int64_t{1} << 53}.as<double>() == 0x1p53);
  refuses<double>((std::int64_t{1} << 53) + 1);
  refuses<double>(std::numeric_limits<std::int64_t>::max());
  CHECK(value{std::numeric_limits<std::int64_t>::min()}.as<double>() == -0x1p63);
  refuses<float>(1e39);
  CHECK(std::isnan(value{std::nan("")}.as<float>()));
  CHECK(std::signbit(value{-0.0}.as<double>()));
  refuses<int>(1.0);
  refuses<int>(true);
  refuses<bool>(1);
}

TEST_CASE("a failed conversion names both types", "[clients][unit]") {
  try {
    (void)value{"text"}.as<std::vector<int>>();
    FAIL("converted");
  } catch (const conversion_error& why) {
    CHECK(why.from() == "str");
    CHECK(why.to().find("vector<int") != std::string::npos);
    CHECK(std::string{why.what()}.find("str") != std::string::npos);
  }
  refuses<std::string>(bytes{std::string{"a"}});
  refuses<bytes>("a");
  refuses<std::pair<int, int>>(std::vector<int>{1, 2, 3});
  refuses<std::array<int, 2>>(std::vector<int>{1});
  refuses<std::vector<int>>(value::list_of({1, "a"}));
  refuses<std::map<std::string, int>>(value::dict_of({{1, 1}}));
  refuses<std::optional<int>>("a");
  refuses<ref>(none{});
  refuses<std::set<int>>(std::vector<int>{1});
}

TEST_CASE("times convert exactly or not at all", "[clients][unit]") {
  CHECK(value{2s}.as<std::chrono::milliseconds>() == 2'000ms);
  refuses<std::chrono::seconds>(1'500ms);
  CHECK(value{1'500ms}.as<std::chrono::duration<double>>().count() == 1.5);
  refuses<std::chrono::nanoseconds>(timedelta{999'999'999, 0, 0});
  refuses<std::chrono::system_clock::time_point>(datetime{});
  datetime east{{2024, 2, 29}, {1, 0, 0, 0, 0, zone{2h, {}}}};
  CHECK(value{east}.as<std::chrono::sys_seconds>()
        == std::chrono::sys_days{std::chrono::year{2024} / 2 / 28} + 23h);
  CHECK_THROWS_AS(value{std::chrono::sys_days{std::chrono::year{0} / 12 / 31}}, conversion_error);
  CHECK_THROWS_AS(value{std::chrono::sys_days{std::chrono::year{10000} / 1 / 1}}, conversion_error);
  CHECK(value{-1us}.get_if<timedelta>()->days == -1);
}

TEST_CASE("big ints are decimal strings and bytes", "[clients][unit]") {
  for (const auto* text :
       {"0", "1", "-1", "127", "128", "-128", "-129", "255", "256",
        "170141183460469231731687303715884105728", "-340282366920938463463374607431768211456"})
    CHECK(big_int{text}.decimal() == text);
  CHECK(big_int{"128"}.twos_complement() == std::string("\x80\0", 2));
  CHECK(big_int{"-128"}.twos_complement() == "\x80");
  CHECK(big_int{"-0"} == big_int{"0"});
  for (const auto* text : {"", "-", "1a", " 1", "+1", "0x1"})
    CHECK_THROWS_AS(big_int{text}, conversion_error);
}

TEST_CASE("an array is viewed where it lies", "[clients][unit]") {
  const std::vector<double> items{1, 2, 3, 4};
  const value held{std::span{items}};
  const auto& array = *held.get_if<ndarray>();
  CHECK(array.dtype == "<f8");
  auto view = array.view<double>();
  CHECK(reinterpret_cast<const char*>(view.data()) == array.data.data());
  CHECK(std::vector<double>(view.begin(), view.end()) == items);
  CHECK(held.as<std::vector<double>>() == items);
  CHECK_THROWS_AS(array.view<float>(), conversion_error);
  const ndarray torn{"<f8", {3}, std::string(16, 'x')};
  CHECK_THROWS_AS(torn.view<double>(), conversion_error);
  CHECK_THROWS_AS(ndarray::of(std::span{items}, {3}), conversion_error);
  CHECK(ndarray::of(std::span{items}, {2, 2}).size() == 4);
}

TEST_CASE("JSON becomes values", "[clients][unit]") {
  CHECK(value::from_json("1") == value{1});
  CHECK(value::from_json("9007199254740991") == value{9007199254740991});
  CHECK(value::from_json("9007199254740992") == value{9007199254740992.0});
  CHECK(value::from_json("1.5") == value{1.5});
  CHECK(value::from_json("null").is_none());
  CHECK(value::from_json(R"({"a": [true, "x"]})")
        == value::dict_of({{"a", value::list_of({true, "x"})}}));
  for (const auto* text : {"", "{", "[1,", "nope", "1 2"})
    CHECK_THROWS_AS(value::from_json(text), conversion_error);
}

TEST_CASE("arguments sort themselves", "[clients][unit]") {
  auto sorted = arguments::of(1, "a", kwargs{{"base", 16}}, run_options{.timeout = 5s}, none{});
  CHECK(sorted.positional == std::vector<value>{1, "a", none{}});
  REQUIRE(sorted.keywords.content().size() == 1);
  CHECK(sorted.keywords.content()[0].first == "base");
  CHECK(sorted.options.timeout == 5s);
}

TEST_CASE("an exception is of its own type and of its bases", "[clients][unit]") {
  exception_info key;
  key.type = "KeyError";
  key.module = "builtins";
  key.bases = {"LookupError", "Exception", "BaseException"};
  for (const auto* name : {"KeyError", "builtins.KeyError", "LookupError", "Exception"})
    CHECK(key.is(name));
  for (const auto* name : {"Error", "IndexError", "keys.KeyError", ""})
    CHECK_FALSE(key.is(name));
  CHECK_FALSE(exception_info{}.is(""));
}
