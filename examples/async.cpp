// SPDX-License-Identifier: Apache-2.0
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <vivarium/client_async.hpp>

#include <iostream>

namespace asio = boost::asio;

// Connection and coroutine run on the one context.
asio::awaitable<void> work(asio::io_context& context) {
  vivarium::connect_options options;
  options.context = &context;
  auto client = co_await vivarium::async_connect("", options, asio::use_awaitable);
  auto session = co_await vivarium::async_session(client, asio::use_awaitable);
  const vivarium::variables with{{"n", 10}};
  auto sum = co_await vivarium::async_eval(session, "sum(range(n))", with, asio::use_awaitable);
  std::cout << sum.as<int>() << '\n';
}

int main() {
  asio::io_context context;
  asio::co_spawn(context, work(context), [](std::exception_ptr why) {
    if (why)
      std::rethrow_exception(why);
  });
  context.run();

  // Or with futures, and a thread that the client brings along.
  auto client = vivarium::client::connect();
  auto first = vivarium::async_eval(client, "'one'", asio::use_future);
  auto second = vivarium::async_eval(client, "'two'", asio::use_future);
  std::cout << first.get().as<std::string>() << ' ' << second.get().as<std::string>() << '\n';
}
