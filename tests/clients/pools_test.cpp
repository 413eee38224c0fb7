// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <vivarium/testing.hpp>

#include <future>
#include <thread>

using namespace vivarium;
using namespace std::chrono_literals;

namespace {

/// The code of what a call throws.
template <class Error, class Call>
std::string code_of(Call call) {
  try {
    call();
  } catch (const Error& why) {
    return why.code();
  }
  FAIL("nothing was thrown");
  return {};
}

} // namespace

TEST_CASE("a pool runs what needs no state", "[clients][integration]") {
  const daemon_fixture daemon;
  const auto client = daemon.connect();
  const auto pool = client.pool(
      {.name = "math", .sessions = 2, .session = {.init = init_script{.source = "base = 10"}}});
  CHECK(pool.eval_as<int>("base + x", {{"x", 1}}) == 11);
  CHECK(pool.call("math", "sqrt", 16).as<double>() == 4.0);
  CHECK(pool.start("6 * 7").wait().result.as<int>() == 42);
  int sum = 0;
  for (const auto& each : pool.stream("range(5)"))
    sum += each.as<int>();
  CHECK(sum == 10);
  const auto results = pool.batch({task{task::source{"1"}}, task{task::source{"1 / 0"}}});
  REQUIRE(results.size() == 2);
  CHECK(results[0].get().as<int>() == 1);
  CHECK_THROWS_AS(results[1].get(), python_error);
  const auto all = client.pools();
  REQUIRE(all.size() == 1);
  CHECK(all[0].name == "math");
  CHECK(all[0].sessions == 2);
  CHECK_FALSE(all[0].configured);
  CHECK_THROWS_AS(client.pool({.name = "math"}), already_exists_error);
  client.set_routes({{"operator.add", "math"}});
  CHECK(client.routes().at("operator.add") == "math");
  const auto before = client.pools()[0].calls;
  CHECK(client.call("operator", "add", 1, 2).as<int>() == 3);
  CHECK(client.pools()[0].calls == before + 1);
  client.set_routes({});
  client.close_pool("math");
  CHECK_THROWS_AS(pool.eval("1"), not_found_error);
  CHECK(client.pools().empty());
}

TEST_CASE("calls with a key come back to their session, or say why not", "[clients][integration]") {
  const daemon_fixture daemon;
  const auto client = daemon.connect();
  const auto pool = client.pool({.name = "keyed", .sessions = 2});
  const auto cart = pool.with_key("cart");
  cart.eval("items = [1]");
  for (int n = 0; n < 4; ++n) {
    CHECK(pool.eval_as<int>("1") == 1);
    CHECK(cart.eval_as<int>("len(items)") == 1);
  }
  CHECK_THROWS_AS(cart.eval("import os\nos.kill(os.getpid(), 9)"), session_lost_error);
  CHECK(code_of<error>([&] { cart.eval("items"); }) == "session_worker_unavailable");
  CHECK(cart.eval_as<bool>("'items' not in globals()"));
  client.close_pool("keyed");
}

TEST_CASE("a call that does not wait finds a pool busy", "[clients][integration]") {
  const daemon_fixture daemon;
  const auto client = daemon.connect();
  const auto pool = client.pool({.name = "one", .sessions = 1});
  pool.eval("1");
  const auto job = pool.start("import time\ntime.sleep(60)");
  CHECK(code_of<busy_error>([&] { pool.without_waiting().eval("1"); }) == "worker_busy");
  CHECK(job.cancel());
  CHECK_THROWS_AS(job.wait().check(), cancelled_error);
  client.close_pool("one");
}

TEST_CASE("defaults name a pool", "[clients][integration]") {
  const daemon_fixture daemon;
  const auto client = daemon.connect();
  const auto pool =
      client.pool({.name = "usual", .session = {.init = init_script{.source = "here = 1"}}});
  client.set_defaults({.pool = "usual", .affinity = affinity::strict_queue});
  CHECK(client.eval_as<int>("here") == 1);
  client.set_defaults({});
  CHECK_THROWS_AS(client.eval("here"), python_error);
  client.close_pool("usual");
}

TEST_CASE("jobs have futures", "[clients][integration]") {
  const daemon_fixture daemon;
  auto client = daemon.connect();
  const auto session = client.session();
  std::vector<std::future<verdict>> all;
  for (int n = 0; n < 20; ++n)
    all.push_back(session.start(std::to_string(n) + " * 2").future());
  for (int n = 0; n < 20; ++n)
    CHECK(all[static_cast<std::size_t>(n)].get().result.as<int>() == n * 2);
  CHECK_THROWS_AS(session.start("1 / 0").future().get().check(), python_error);
  auto lost = session.start("import time\ntime.sleep(60)", {}, {.detach = true}).future();
  client = {};
  CHECK_THROWS_AS(lost.get(), connection_error);
}

TEST_CASE("messages come in a loop", "[clients][integration]") {
  const daemon_fixture daemon;
  const auto client = daemon.connect();
  const auto other = daemon.connect();
  CHECK_THROWS_AS(client.send("inbox", 1), not_found_error);
  auto inbox = client.receive("inbox");
  // Frames of one connection are taken in order: the receiver is there before this message.
  client.send("inbox", tuple{{1, "a"}});
  CHECK(other.send("inbox", "b") == 1);
  auto first = inbox.next();
  REQUIRE(first);
  CHECK(first->content == value{tuple{{1, "a"}}});
  CHECK(first->sequence == 1);
  CHECK(first->to == "inbox");
  CHECK(first->lost_before == 0);
  CHECK(first->time > std::chrono::system_clock::time_point{});
  CHECK(inbox.next()->content == value{"b"});
  auto json = client.receive("json", result_format::json);
  client.send("json", list{{1, none{}}});
  CHECK(json.next()->content == value{"[1,null]"});
  std::thread ender{[&inbox] { inbox.cancel(); }};
  while (inbox.next())
    ;
  ender.join();
}
