// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <vivarium/testing.hpp>

using namespace vivarium;

TEST_CASE("an application is booted, listed and closed", "[clients][integration]") {
  const daemon_fixture daemon;
  const auto client = daemon.connect();
  const auto made = client.boot_app(
      {.name = "hello",
       .source = "async def site(scope, receive, send):\n    raise NotImplementedError",
       .attribute = "site",
       .everybody = true,
       .host = "hello",
       .workers = 2});
  CHECK((made.name == "hello" && made.kind == "asgi" && made.state == "ready"));
  CHECK((made.workers == 2 && made.path == "/apps/" + made.id + "/"));
  CHECK(made.hosts == std::vector<std::string>{"hello.apps.localhost"});
  REQUIRE(client.apps().size() == 1);
  CHECK(client.app("hello").id == made.id);
  client.close_app("hello");
  CHECK(client.apps().empty());
  CHECK_THROWS_AS(client.app("hello"), not_found_error);

  const auto session = client.session();
  session.eval("import sys, types; m = types.ModuleType('m'); sys.modules['m'] = m\n"
               "m.app = lambda environ, start: []");
  CHECK(client.boot_app({.module = "m", .session = session.id()}).kind == "wsgi");
  CHECK_THROWS_WITH(client.boot_app({.source = "1 / 0"}), Catch::Contains("division by zero"));
}
