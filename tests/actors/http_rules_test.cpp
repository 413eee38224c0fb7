// SPDX-License-Identifier: Apache-2.0
#include "actors/http_rules.hpp"

#include <catch2/catch.hpp>

using namespace vivarium;

namespace {

http_rule rule(std::string_view prefix, std::vector<std::string_view> methods = {}) {
  auto made = parse_http_rule(prefix);
  REQUIRE(made);
  if (!methods.empty())
    made->methods.clear();
  for (auto one : methods)
    REQUIRE(add_method(*made, one));
  return *std::move(made);
}

bool allows(const std::vector<http_rule>& rules, std::string_view method, std::string_view target,
            std::string_view at = "https://api.test") {
  return decide(rules, parse_http_rule(at)->origin, method, target).rule != nullptr;
}

} // namespace

TEST_CASE("a prefix is compared component by component", "[actors][unit]") {
  std::vector<http_rule> rules{rule("https://api.test/v1/users")};
  for (const auto* path : {"/v1/users", "/v1/users/", "/v1/users/7?x=/../y", "/v1/%75sers/7"})
    CHECK(allows(rules, "GET", path));
  for (const auto* path : {"/v1/users2", "/v1/user", "/v1", "/", "/V1/users", "/v2/v1/users"})
    CHECK_FALSE(allows(rules, "GET", path));
}

TEST_CASE("what two readers could read in two ways is refused", "[actors][unit]") {
  std::vector<http_rule> rules{rule("https://api.test/v1", {"ALL"})};
  for (const auto* path : {"/v1/../admin",
                           "/v1/./x",
                           "/v1/%2e%2e/admin",
                           "/v1/.%2E/admin",
                           "/v1/%2e",
                           "/v1/..;a/admin",
                           "/v1/a%2f..%2fadmin",
                           "/v1/a%5c..%5cadmin",
                           "/v1\\..\\admin",
                           "/v1/%252e%252e/admin",
                           "/v1//admin",
                           "//v1/x",
                           "/v1/%00",
                           "/v1/%0d%0aHost:x",
                           "/v1/%",
                           "/v1/%2",
                           "/v1/%zz",
                           "v1",
                           "",
                           "*",
                           "/v1/x#y",
                           "/v1/ x",
                           "/v1/\xc3\xa9",
                           "http://api.test/v1",
                           "/v1/..",
                           "/v1/admin;x",
                           "/v1/admin%3bx",
                           "/v1/;",
                           "/v1/admin.",
                           "/v1/admin%2e",
                           "/v1/admin%20",
                           "/v1/admin%20/x",
                           "/v1/x/..%c0%af",
                           "/v1/%ff",
                           "/v1/%ed%a0%80",
                           "/v1/%2e%2E"})
    CHECK_FALSE(allows(rules, "GET", path));
  CHECK_FALSE(allows(rules, "GET", "/v1/" + std::string(17'000, 'x')));
  CHECK(allows(rules, "GET", "/v1/...x/..x/x..y?a=%2e%2e;"));
  CHECK(allows(rules, "GET", "/v1/%c3%a9/a%20b/.well-known"));
}

TEST_CASE("scheme, host and port are compared exactly", "[actors][unit]") {
  std::vector<http_rule> rules{rule("https://API.test.:443/")};
  CHECK(allows(rules, "GET", "/x"));
  for (const auto* origin : {"http://api.test", "https://api.test:444", "https://api.test.evil.org",
                             "https://xapi.test", "http://api.test:443"})
    CHECK_FALSE(allows(rules, "GET", "/x", origin));
}

TEST_CASE("GET and HEAD are what a rule allows by itself", "[actors][unit]") {
  std::vector<http_rule> rules{rule("http://a.test/")};
  CHECK(allows(rules, "GET", "/", "http://a.test"));
  CHECK(allows(rules, "HEAD", "/", "http://a.test"));
  auto refused = decide(rules, rules[0].origin, "POST", "/");
  CHECK(refused.refusal.starts_with("HTTP method POST is not allowed. Allowed methods: GET, HEAD"));
  CHECK(refused.refusal.find("capabilities.http_rules") != std::string::npos);
  auto elsewhere = decide({rule("http://a.test/x")}, rules[0].origin, "GET", "/y");
  CHECK(elsewhere.refusal.find("Allowed prefixes: http://a.test/x") != std::string::npos);
  std::vector<http_rule> all{rule("http://a.test/", {"ALL"})};
  CHECK(allows(all, "DELETE", "/", "http://a.test"));
  CHECK_FALSE(allows(all, "TRACE", "/", "http://a.test"));
  CHECK_FALSE(allows(all, "CONNECT", "/", "http://a.test"));
  CHECK_FALSE(allows(rules, "get", "/", "http://a.test"));
}

TEST_CASE("the most specific rule wins, also where it allows less", "[actors][unit]") {
  std::vector<http_rule> rules{rule("http://a.test/", {"ALL"}), rule("http://a.test/files/secret"),
                               rule("http://a.test/files", {"PUT"})};
  CHECK(allows(rules, "POST", "/x", "http://a.test"));
  CHECK_FALSE(allows(rules, "POST", "/files/x", "http://a.test"));
  CHECK(allows(rules, "PUT", "/files/x", "http://a.test"));
  CHECK_FALSE(allows(rules, "PUT", "/files/secret/x", "http://a.test"));
  CHECK(allows(rules, "GET", "/files/secret/x", "http://a.test"));
  CHECK(allows(rules, "PUT", "/files/secrets", "http://a.test"));
}

TEST_CASE("prefixes that are none are refused", "[actors][unit]") {
  for (const auto* text : {"",
                           "api.test",
                           "ftp://a.test/",
                           "https://",
                           "https:///x",
                           "https://u:p@a.test/",
                           "https://a.test:0/",
                           "https://a.test:99999/",
                           "https://a.test:x/",
                           "https://a.test/?q",
                           "https://a.test/#f",
                           "https://a.test/../x",
                           "https://a.test/%2e/x",
                           "https://a.test//x",
                           "https://*.test/",
                           "https://127.1/",
                           "https://0x7f000001/",
                           "https://2130706433/",
                           "https://[::1/",
                           "https://[127.0.0.1]/",
                           "https://a.test\\x/",
                           "https://a_b.test /"})
    CHECK_FALSE(parse_http_rule(text));
  CHECK(rule("http://127.0.0.1:8080/x").origin.text() == "http://127.0.0.1:8080");
  CHECK(rule("https://[::1]:8443").origin.text() == "https://[::1]:8443");
  CHECK(rule("HTTPS://A.test").origin.text() == "https://a.test");
}

TEST_CASE("headers that change what a request is cannot be set", "[actors][unit]") {
  auto one = rule("http://a.test/");
  for (const auto* name :
       {"Host", "content-length", "Transfer-Encoding", "Connection", "", "a b", "a:", "a\r\n"})
    CHECK_FALSE(add_header(one, name, "x"));
  CHECK_FALSE(add_header(one, "Authorization", "x\r\nHost: y"));
  CHECK_FALSE(add_header(one, "Authorization", std::string(17'000, 'x')));
  CHECK(add_header(one, "Authorization", "Bearer s3cret"));
  for (const auto* method : {"", "GE T", "CONNECT", "TRACE", "A\r\n"})
    CHECK_FALSE(add_method(one, method));
}
