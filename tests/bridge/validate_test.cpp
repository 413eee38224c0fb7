// SPDX-License-Identifier: Apache-2.0
#include "bridge/validate.hpp"
#include "tests/bridge/encode.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace vivarium;
using namespace vivarium::bridge;
using namespace vivarium::bridge::testing;

namespace {

std::string nested_lists(int depth) {
  auto value = integer(1);
  for (int i = 0; i < depth; ++i)
    value = sequence(8, {value});
  return value;
}

std::string whole_tree() {
  return sequence(8, {none(), boolean(true), integer(-5), big("\x01\x02"), real(1.5), text("ä"),
                      blob("\xff"), sequence(9, {}), sequence(11, {integer(1)}),
                      dict({{text("k"), none()}}), opaque("T", "r")});
}

} // namespace

TEST_CASE("every kind of value is accepted", "[bridge]") {
  CHECK(validate_value(whole_tree()));
}

TEST_CASE("a value that is cut off is refused at every place", "[bridge]") {
  auto tree = whole_tree();
  for (std::size_t cut = 0; cut < tree.size(); ++cut)
    CHECK_FALSE(validate_value(std::string_view{tree}.substr(0, cut)));
}

TEST_CASE("what a strict decoder does not know is refused", "[bridge]") {
  CHECK_FALSE(validate_value(""));                      // No kind.
  CHECK_FALSE(validate_value(integer(1) + integer(2))); // Two kinds.
  CHECK_FALSE(validate_value(integer(1) + none()));
  CHECK_FALSE(validate_value(message([](auto& w) { w.add_bool(12, true); })));
  CHECK_FALSE(validate_value(message([](auto& w) { w.add_double(3, 1); })));
  CHECK_FALSE(validate_value(message([](auto& w) { w.add_fixed32(5, 1); })));
  CHECK_FALSE(validate_value(text("\xff")));
  CHECK_FALSE(validate_value(message([](auto& w) { w.add_message(1, integer(1)); })));
  CHECK_FALSE(validate_value(std::string{"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"}));
  CHECK_FALSE(validate_value(std::string{"\x00\x00", 2}));
  auto half = message([](auto& w) { w.add_message(1, integer(1)); });
  auto mapping = message([&](auto& w) { w.add_message(1, half); });
  CHECK_FALSE(validate_value(message([&](auto& w) { w.add_message(10, mapping); })));
}

TEST_CASE("depth, parts and bytes are bounded on both sides", "[bridge]") {
  CHECK(validate_value(nested_lists(max_value_depth)));
  CHECK(validate_value(nested_lists(43)));
  CHECK_FALSE(validate_value(nested_lists(44)));
  auto three = sequence(8, {integer(1), integer(2), integer(3)});
  CHECK(validate_value(three, {.max_items = 4}));
  CHECK_FALSE(validate_value(three, {.max_items = 3}));
  CHECK(validate_value(three, {.max_bytes = three.size()}));
  auto refused = validate_value(three, {.max_bytes = three.size() - 1});
  REQUIRE_FALSE(refused);
  CHECK(refused.why().code == errc::too_large);
}

TEST_CASE("errors and displays have tables of their own", "[bridge]") {
  auto frame = message([](auto& w) {
    w.add_string(1, "f.py");
    w.add_uint32(2, 3);
  });
  auto plain = message([&](auto& w) {
    w.add_enum(1, 2);
    w.add_string(2, "E");
    w.add_string(4, "B");
    w.add_string(4, "C");
    w.add_message(6, frame);
  });
  CHECK(validate_error(plain));
  CHECK(validate_error(plain + message([&](auto& w) { w.add_message(8, plain); })));
  CHECK_FALSE(validate_error(plain + message([&](auto& w) { w.add_message(8, frame); })));
  CHECK_FALSE(validate_error(""));
  auto deep = plain;
  for (int i = 0; i < 88; ++i)
    deep = plain + message([&](auto& w) { w.add_message(8, deep); });
  CHECK_FALSE(validate_error(deep));

  auto part = message([](auto& w) {
    w.add_string(1, "text/html");
    w.add_string(2, "<b>");
  });
  auto display = message([&](auto& w) { w.add_message(1, part); });
  CHECK(validate_display(display));
  CHECK(validate_display(""));
  CHECK_FALSE(validate_display(display + "\x08\x01"));
}

TEST_CASE("UTF-8 is what Unicode says", "[bridge]") {
  for (const char* good : {"", "a", "ä", "€", "😀", "\xed\x9f\xbf", "\xee\x80\x80",
                           "\xf4\x8f\xbf\xbf", "\xc2\x80", "\xe0\xa0\x80", "\xf0\x90\x80\x80"})
    CHECK(is_utf8(good));
  for (const char* bad : {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80",
                          "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff",
                          "\xc3", "\xe2\x82", "\xf0\x9f\x98", "\xc3\x41", "\xe2\x82\x41"})
    CHECK_FALSE(is_utf8(bad));
  for (std::size_t before = 0; before < 80; ++before) {
    CHECK(is_utf8(std::string(before, 'x') + "ä" + std::string(40, 'y')));
    CHECK_FALSE(is_utf8(std::string(before, 'x') + "\xff" + std::string(40, 'y')));
  }
}

TEST_CASE("invalid bytes are replaced one by one", "[bridge]") {
  std::string out = "=";
  append_utf8_lossy(out, "a\xff\xc3zä\xe2\x82");
  CHECK(out == "=a\xef\xbf\xbd\xef\xbf\xbdzä\xef\xbf\xbd\xef\xbf\xbd");
}
