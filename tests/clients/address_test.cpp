// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/address.hpp"

#include <catch2/catch.hpp>

using namespace vivarium;
using namespace vivarium::cli;

TEST_CASE("a server is named by an http, https or unix url", "[clients][unit]") {
  struct row {
    const char* url;
    const char* authority;
  };
  for (const auto& [url, authority] : {
           row{"http://localhost:8000", "localhost:8000"},
           row{"http://127.0.0.1", "127.0.0.1:7717"},
           row{"http://[::1]:80/", "[::1]:80"},
           row{"https://example.org", "example.org:443"},
           row{"https://[fe80::1]", "[fe80::1]:443"},
           row{"unix:///run/x.sock", "localhost"},
       }) {
    INFO(url);
    auto parsed = parse_address(url);
    REQUIRE(parsed);
    CHECK(parsed->authority() == authority);
  }
  CHECK(parse_address("unix:///run/x.sock")->path == "/run/x.sock");
}

TEST_CASE("what is no such url is refused with a reason", "[clients][unit]") {
  for (const auto* url : {"", "localhost:80", "ftp://x", "http://", "http://:80", "http://x:",
                          "http://x:port", "http://x:123456", "http://[::1", "http://[::1]80",
                          "http://user@x", "http://x/path", "unix://run/x", "unix://"}) {
    INFO(url);
    auto parsed = parse_address(url);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.why().code == errc::invalid_argument);
    CHECK_FALSE(parsed.why().detail.empty());
  }
}
