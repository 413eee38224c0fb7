// SPDX-License-Identifier: Apache-2.0
#include "daemon/access.hpp"
#include "daemon/address.hpp"

#include <catch2/catch.hpp>

using namespace vivarium;

namespace {

http_request request_to(std::string_view host, std::string_view origin = {}) {
  http_request out;
  out.set_target("/");
  out.add_header("Host", host);
  if (!origin.empty())
    out.add_header("Origin", origin);
  return out;
}

errc verdict_of(const access_rules& rules, const http_request& request) {
  auto checked = rules.check(request);
  return checked ? errc::none : checked.why().code;
}

} // namespace

TEST_CASE("names of this machine are served, others are not", "[daemon][unit]") {
  access_rules rules{{"Box.Example.org", "vm:7717"}, {}};
  for (auto host :
       {"localhost", "LOCALHOST:7717", "127.0.0.1", "127.0.0.1:80", "127.9.8.7", "[::1]",
        "[::1]:7717", "shop.localhost:1", "box.example.org", "BOX.example.org:9", "vm:7717"}) {
    INFO(host);
    REQUIRE(verdict_of(rules, request_to(host)) == errc::none);
  }
  for (auto host : {"evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "vm:1",
                    "box.example.org.evil", "127.0.0.1:80:80", "[::1]x", "localhost:7x", "0.0.0.0",
                    "127.0.0.1@evil", "127..0.1", "10.0.0.1", "2130706433"}) {
    INFO(host);
    REQUIRE(verdict_of(rules, request_to(host)) == errc::permission_denied);
  }
}

TEST_CASE("a request has exactly one Host", "[daemon][unit]") {
  access_rules rules{{}, {}};
  http_request none;
  none.set_target("/");
  REQUIRE(verdict_of(rules, none) == errc::invalid_argument);
  auto two = request_to("localhost");
  two.add_header("Host", "localhost");
  REQUIRE(verdict_of(rules, two) == errc::invalid_argument);
}

TEST_CASE("a Host has the shape of one, wherever it leads", "[daemon][unit]") {
  for (auto host : {"shop.apps.localhost", "shop.apps.localhost:80", "[::1]:80"})
    CHECK(access_rules::check_one_host(request_to(host)));
  for (auto host : {"", "shop.apps.localhost:\xff:80", "shop.apps.localhost:8x", "[::1", "[::1]80"})
    CHECK_FALSE(access_rules::check_one_host(request_to(host)));
}

TEST_CASE("pages may only come from configured origins", "[daemon][unit]") {
  access_rules rules{{}, {"https://console.example.org"}};
  REQUIRE(verdict_of(rules, request_to("localhost", "https://Console.example.org")) == errc::none);
  for (auto origin : {"https://evil.example", "null", "http://console.example.org",
                      "https://console.example.org.evil", "http://localhost:7717"}) {
    INFO(origin);
    REQUIRE(verdict_of(rules, request_to("localhost", origin)) == errc::permission_denied);
  }
  auto empty = request_to("localhost");
  empty.add_header("Origin", "");
  REQUIRE(verdict_of(rules, empty) == errc::permission_denied);
}

TEST_CASE("a request id is taken when it is harmless", "[daemon][unit]") {
  auto request = request_to("localhost");
  request.add_header("X-Request-Id", "abc-1.2:Z_9");
  REQUIRE(request_id_of(request) == "abc-1.2:Z_9");
  for (auto bad : {"a b", "a\"b", "a\r\nb", "", "\xff", "a,b"}) {
    auto other = request_to("localhost");
    other.add_header("X-Request-Id", bad);
    REQUIRE(request_id_of(other).starts_with("req_"));
  }
  auto lengthy = request_to("localhost");
  lengthy.add_header("X-Request-Id", std::string(129, 'a'));
  REQUIRE(request_id_of(lengthy).starts_with("req_"));
}

TEST_CASE("a trace context is taken when it is well-formed", "[daemon][unit]") {
  auto request = request_to("localhost");
  request.add_header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  REQUIRE(trace_context_of(request).known());
  auto other = request_to("localhost");
  other.add_header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-\"}");
  REQUIRE_FALSE(trace_context_of(other).known());
  // Two are none: which of them would it be?
  request.add_header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  REQUIRE_FALSE(trace_context_of(request).known());
}

TEST_CASE("where every request carries a key, an address is a good host", "[daemon][unit]") {
  access_rules rules{{}, {}, true};
  for (auto host : {"10.0.0.1", "10.0.0.1:7717", "[2001:db8::1]", "[2001:DB8::1]:7717"}) {
    INFO(host);
    REQUIRE(verdict_of(rules, request_to(host)) == errc::none);
    REQUIRE(verdict_of(access_rules{{}, {}}, request_to(host)) == errc::permission_denied);
  }
  // Only a name can be rebound.
  for (auto host :
       {"evil.example", "10.0.0.1.evil.example", "2001:db8::1", "[10.0.0.1]", "10.0.0"}) {
    INFO(host);
    REQUIRE(verdict_of(rules, request_to(host)) == errc::permission_denied);
  }
}

TEST_CASE("only loopback is listened on, unless clients say who they are", "[daemon][unit]") {
  for (auto inside : {"127.0.0.1:0", "localhost:7717", "[::1]:80", "http://127.0.0.1:80",
                      "https://127.0.0.1:443", "unix:///run/x.sock", "127.1.2.3:1"}) {
    INFO(inside);
    REQUIRE(check_reach(*parse_address(inside), false));
  }
  for (auto outside : {"0.0.0.0:7717", "[::]:1", "192.168.0.1:1", "https://192.168.0.1:1",
                       "[::ffff:10.0.0.1]:1"}) {
    INFO(outside);
    auto refused = check_reach(*parse_address(outside), false);
    REQUIRE_FALSE(refused);
    REQUIRE(refused.why().code == errc::invalid_argument);
    REQUIRE(check_reach(*parse_address(outside), true));
  }
}

TEST_CASE("addresses are parsed", "[daemon][unit]") {
  for (auto bad : {"example.org:1", "127.0.0.1", "127.0.0.1:65536", "127.0.0.1:x",
                   "127.0.0.1:", "unix://relative", "", ":x", "ftp://127.0.0.1:1"}) {
    INFO(bad);
    auto parsed = parse_address(bad);
    REQUIRE_FALSE(parsed);
    REQUIRE(parsed.why().code == errc::invalid_argument);
  }
  REQUIRE_FALSE(parse_address("unix:///" + std::string(108, 'a')));
}
