// SPDX-License-Identifier: Apache-2.0
#include "daemon/log.hpp"

#include <catch2/catch.hpp>

using namespace vivarium;

TEST_CASE("nothing that is logged can forge a line or a field", "[daemon][unit]") {
  auto line = render(log_format::json, "called\n{\"level\":\"error\"}",
                     {{"request_id", "a\"b\\c\r\n\x1b[31m"}, {"bytes", "\xff\xfe"}});
  REQUIRE(line.find('\n') == std::string::npos);
  REQUIRE(line.find('\r') == std::string::npos);
  REQUIRE(line.find('\x1b') == std::string::npos);
  REQUIRE(line.find("\"msg\":\"called\\n{\\\"level\\\":\\\"error\\\"}\"") == 0);
  REQUIRE(line.find("\xff") == std::string::npos);
}

TEST_CASE("numbers are numbers, and empty fields are left out", "[daemon][unit]") {
  REQUIRE(render(log_format::json, "m", {{"n", std::int64_t{5}}, {"s", 0.25}, {"gone", ""}})
          == R"("msg":"m","n":5,"s":0.25)");
}

TEST_CASE("the text form quotes what is not plain", "[daemon][unit]") {
  REQUIRE(render(log_format::text, "hello there", {{"a", "plain"}, {"b", "two words"}})
          == R"(hello there a=plain b="two words")");
  REQUIRE(render(log_format::text, "x\ny", {}).find('\n') == std::string::npos);
}
