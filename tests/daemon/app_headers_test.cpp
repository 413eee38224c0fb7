// SPDX-License-Identifier: Apache-2.0
#include "daemon/app_headers.hpp"

#include <catch2/catch.hpp>

using namespace vivarium;

namespace {

const app_place by_path{"/apps/shop", false};
const app_place by_host{"", true};

std::string lines(const app_place& at,
                  std::vector<std::pair<std::string_view, std::string_view>> headers) {
  bridge::app_response from;
  from.headers = std::move(headers);
  auto made = app_head_for(at, from);
  REQUIRE(made);
  return made->lines;
}

} // namespace

TEST_CASE("cookies are confined to the path of their application", "[daemon]") {
  auto confined = [](std::string_view cookie) {
    return confined_cookie(by_path, cookie).value_or("none");
  };
  CHECK(confined("a=1") == "a=1; Path=/apps/shop/");
  CHECK(confined("a=1; Path=/; Domain=example.org; Secure") == "a=1; Secure; Path=/apps/shop/");
  CHECK(confined(" a = 1 ; path = /x ;; DOMAIN=.x ; HttpOnly")
        == "a = 1; HttpOnly; Path=/apps/shop/");
  CHECK(confined("a=x;path") == "a=x; Path=/apps/shop/");
  CHECK(confined("__Host-a=1; Secure; Path=/") == "none");
  CHECK(confined("__HOST-a=1") == "none");
  CHECK(confined("__Secure-a=1; Secure") == "__Secure-a=1; Secure; Path=/apps/shop/");
  CHECK(confined("=__Host-a=1") == "none");
  CHECK(confined("a") == "none");
  CHECK(confined("") == "none");
}

TEST_CASE("on a host of its own an application keeps its cookies' paths", "[daemon]") {
  CHECK(confined_cookie(by_host, "a=1; Path=/x; Domain=apps.localhost") == "a=1; Path=/x");
  CHECK(confined_cookie(by_host, "__Host-a=1; Path=/; Secure") == "__Host-a=1; Path=/; Secure");
  CHECK_FALSE(confined_cookie(by_host, "=a"));
}

TEST_CASE("what an application may not say does not reach the client", "[daemon]") {
  std::vector<std::pair<std::string_view, std::string_view>> headers{
      {"X-A", " 1 "},
      {"Connection", "close"},
      {"transfer-encoding", "chunked"},
      {"date", "now"},
      {"upgrade", "h2c"},
      {"Keep-Alive", "1"},
      {"Clear-Site-Data", "*"},
      {"Vivarium-Execution", "exe_0other"},
      {"vivarium-usage", "none"}};
  CHECK(lines(by_path, headers).starts_with("X-A: 1\r\nContent-Security-Policy: sandbox "));
  CHECK(lines(by_path, headers).find("same-origin") == std::string::npos);
  CHECK(lines(by_host, headers) == "X-A: 1\r\nClear-Site-Data: *\r\n");
}

TEST_CASE("below a path an application asks for no password of the origin", "[daemon]") {
  for (const char* name : {"WWW-Authenticate", "Accept-CH", "Critical-CH", "Set-Login"}) {
    CHECK(lines(by_path, {{name, "x"}}).starts_with("Content-Security-Policy: sandbox "));
    CHECK(lines(by_host, {{name, "x"}}) == std::string{name} + ": x\r\n");
  }
}

TEST_CASE("lengths are numbers, and one", "[daemon]") {
  auto length = [](std::vector<std::pair<std::string_view, std::string_view>> headers) {
    bridge::app_response from;
    from.headers = std::move(headers);
    return app_head_for(by_host, from);
  };
  CHECK(length({{"Content-Length", "12"}})->length == 12u);
  CHECK(length({{"Content-Length", "12"}})->lines.empty());
  CHECK(length({{"Content-Length", "12"}, {"content-length", "12"}})->length == 12u);
  CHECK_FALSE(length({})->length);
  for (const char* bad : {"", "-1", "1 2", "0x1", "99999999999999999999"})
    CHECK_FALSE(length({{"content-length", bad}}));
  CHECK_FALSE(length({{"content-length", "1"}, {"content-length", "2"}}));
}
