// SPDX-License-Identifier: Apache-2.0
#include "bridge/json_check.hpp"

#include <catch2/catch.hpp>

using vivarium::bridge::is_json;

TEST_CASE("one JSON value and nothing else is JSON", "[bridge][unit]") {
  for (const auto* text :
       {"0", "-0", "1.5e-7", "1E+2", "true", "false", "null", R"("a\u00e9\n\"\\")", "[]", "{}",
        " [1 , 2 ] ", R"({"a":{"b":[1,{"c":null}]},"":0})", "[[],[[]],{}]", "\"\xc3\xa9\""})
    CHECK(is_json(text, 10));
  for (const auto* text :
       {"",        " ",           "01",        "1.",       ".5",         "+1",    "1e",
        "-",       "tru",         "nul",       "NaN",      "Infinity",   "'a'",   "\"a",
        "\"\\x\"", "\"\\u12g4\"", "\"\n\"",    "[",        "]",          "[1,]",  "[,1]",
        "[1 2]",   "{a:1}",       "{\"a\"}",   "{\"a\":}", "{\"a\":1,}", "{1:2}", "1 2",
        "[1]]",    "[1}",         "{\"a\":1]", "\"\xff\"", "[]x"})
    CHECK_FALSE(is_json(text, 10));
  CHECK_FALSE(is_json(std::string_view{"\"a\0b\"", 5}, 10));
  CHECK_FALSE(is_json(std::string_view{"\0", 1}, 10));
}

TEST_CASE("JSON is bounded in depth and needs no stack for it", "[bridge][unit]") {
  CHECK(is_json("[[1]]", 2));
  CHECK_FALSE(is_json("[[1]]", 1));
  CHECK(is_json("1", 0));
  std::string deep(1'000'000, '[');
  CHECK_FALSE(is_json(deep, 64));
  deep += std::string(1'000'000, ']');
  CHECK(is_json(deep, 1'000'000));
}
