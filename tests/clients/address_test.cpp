// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/src/address.hpp"

#include <catch2/catch.hpp>
#include <vivarium/error.hpp>

using namespace vivarium;
using vivarium::detail::parse_address;

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
    CHECK(parse_address(url).authority() == authority);
  }
  CHECK(parse_address("unix:///run/x.sock").path == "/run/x.sock");
}

TEST_CASE("what is no such url is refused with a reason", "[clients][unit]") {
  for (const auto* url : {"", "localhost:80", "ftp://x", "http://", "http://:80", "http://x:",
                          "http://x:port", "http://x:123456", "http://[::1", "http://[::1]80",
                          "http://user@x", "http://x/path", "unix://run/x", "unix://"}) {
    INFO(url);
    CHECK_THROWS_AS(parse_address(url), invalid_argument_error);
  }
}
