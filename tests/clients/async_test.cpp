// SPDX-License-Identifier: Apache-2.0
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <catch2/catch.hpp>
#include <vivarium/client_async.hpp>
#include <vivarium/testing.hpp>

using namespace vivarium;
namespace asio = boost::asio;

TEST_CASE("a request goes with a future", "[clients][integration]") {
  const daemon_fixture daemon;
  const auto client = daemon.connect();
  auto good = async_eval(client, "6 * 7", asio::use_future);
  auto bad = async_eval(client, "1/0", asio::use_future);
  auto session = async_session(client, {.name = "s"}, asio::use_future).get();
  auto verdict = async_run(session, "print('o')", {}, {}, asio::use_future).get();
  CHECK(verdict.output == "o\n");
  CHECK(good.get().as<int>() == 42);
  CHECK_THROWS_AS(bad.get(), python_error);
  CHECK(async_send(session.prepare_status(), asio::use_future).get().executions == 1);
}

TEST_CASE("a request goes with a callback on an executor of its own", "[clients][integration]") {
  const daemon_fixture daemon;
  const auto client = daemon.connect();
  asio::io_context context;
  int got = 0;
  async_eval(client, "5", asio::bind_executor(context, [&got](std::exception_ptr why, value what) {
               CHECK_FALSE(why);
               got = what.as<int>();
             }));
  context.run(); // The request counts as work: this returns only after the handler has run.
  CHECK(got == 5);
}

TEST_CASE("coroutines and a connection share one context", "[clients][integration]") {
  const daemon_fixture daemon;
  asio::io_context context;
  int sum = 0;
  auto body = [&]() -> asio::awaitable<void> {
    connect_options options;
    options.context = &context;
    auto client = co_await async_connect(daemon.url(), options, asio::use_awaitable);
    auto session = co_await async_session(client, asio::use_awaitable);
    for (int i = 0; i < 3; ++i) {
      const variables with{{"n", i}};
      auto what = co_await async_eval(session, "n + 1", with, asio::use_awaitable);
      sum += what.as<int>();
    }
    auto items = session.stream("(i for i in range(4))");
    while (auto item = co_await async_next(items, asio::use_awaitable))
      sum += item->as<int>();
    bool failed = false;
    try {
      auto minus = arguments::of(-1);
      co_await async_call(session, "math", "sqrt", minus, asio::use_awaitable);
    } catch (const python_error& why) {
      failed = why.is("ValueError");
    }
    CHECK(failed);
  };
  std::exception_ptr why;
  asio::co_spawn(context, body(), [&why](std::exception_ptr failed) { why = failed; });
  context.run();
  if (why)
    std::rethrow_exception(why);
  CHECK(sum == 6 + 6);
}

TEST_CASE("an operation is cancelled through its slot", "[clients][integration]") {
  const daemon_fixture daemon;
  const auto client = daemon.connect();
  auto session = client.session();
  asio::io_context context;
  asio::cancellation_signal stop;
  std::exception_ptr got;
  async_eval(session, "while True: pass",
             asio::bind_cancellation_slot(
                 stop.slot(), asio::bind_executor(
                                  context, [&got](std::exception_ptr why, value) { got = why; })));
  stop.emit(asio::cancellation_type::terminal);
  context.run();
  REQUIRE(got);
  CHECK_THROWS_AS(std::rethrow_exception(got), cancelled_error);
}

TEST_CASE("connecting fails by the token", "[clients][integration]") {
  auto failing = async_connect("http://127.0.0.1:1", {}, asio::use_future);
  CHECK_THROWS_AS(failing.get(), connection_error);
}
