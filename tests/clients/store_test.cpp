// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <vivarium/client.hpp>
#include <vivarium/testing.hpp>

using namespace vivarium;

TEST_CASE("what code keeps the application reads", "[clients][integration]") {
  const daemon_fixture daemon;
  const auto client = daemon.connect();
  CHECK_FALSE(client.get_value("k"));
  client.set_value("k", R"({"x": 1})");
  CHECK(client.get_value("k") == R"({"x": 1})");
  session_options with;
  with.capabilities.store = store_grant{.prefix = "k", .rights = {store_right::get}};
  auto session = client.session(with);
  CHECK(session.eval_as<int>("import store\nstore.get('k')['x']") == 1);
  CHECK_THROWS(session.eval("store.set('k', 2)"));
  with.capabilities.store->rights = {store_right::put, store_right::list};
  auto writer = client.session(with);
  CHECK(writer.eval_as<int>("import store\nstore.set('k2', [1])\nlen(store.keys())") == 2);
  auto page = client.list_keys("k");
  CHECK(page.keys == std::vector<std::string>{"k", "k2"});
  CHECK(page.next.empty());
  CHECK(client.delete_value("k"));
  CHECK_FALSE(client.delete_value("k"));
  CHECK_THROWS_AS(client.set_value("k", "{"), invalid_argument_error);
}

TEST_CASE("grants that cannot be had are refused", "[clients][integration]") {
  const daemon_fixture daemon;
  const auto client = daemon.connect();
  session_options with;
  with.capabilities.sql = sql_grant{.database = "nowhere"};
  CHECK_THROWS_AS(client.session(with), request_error);
  with.capabilities = {};
  with.capabilities.http_rules = {{"https://a.test/", {"POST"}, {{"X", "y"}}}};
  CHECK_THROWS_AS(client.session(with), request_error);
  with.capabilities = {};
  with.capabilities.boto3 = aws_grant{.endpoint_url = "http://a.test/"};
  CHECK_THROWS_AS(client.session(with), request_error);
}
