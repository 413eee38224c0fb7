// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/module_option.hpp"

#include <catch2/catch.hpp>

using namespace vivarium;
using namespace vivarium::cli;

TEST_CASE("a module is told by name and functions", "[clients][unit]") {
  const auto plain = parse_module("auth=get_user,async check");
  CHECK(plain.name == "auth");
  CHECK(plain.functions == std::vector<std::string>{"get_user", "async check"});
  CHECK_FALSE(plain.replace);
  CHECK(parse_module("!json=dumps").replace);
  for (const auto* wrong : {"", "auth", "=f", "auth=", "auth=f,", "!=f"})
    CHECK_THROWS_AS(parse_module(wrong), invalid_argument_error);
}

TEST_CASE("a level has one of six names", "[clients][unit]") {
  CHECK(parse_level("") == log_level::unset);
  CHECK(parse_level("debug") == log_level::debug);
  CHECK(parse_level("critical") == log_level::critical);
  CHECK_THROWS_AS(parse_level("loud"), invalid_argument_error);
}
