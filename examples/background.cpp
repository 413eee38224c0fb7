// SPDX-License-Identifier: Apache-2.0
#include <vivarium/client.hpp>

#include <iostream>
#include <thread>

int main() {
  auto client = vivarium::client::connect();

  // Equal sessions for calls that need no state.
  auto pool = client.pool({.name = "squares", .sessions = 2});
  std::cout << pool.call("math", "pow", 7, 2).as<double>() << '\n';

  // What belongs together has a key, and finds what it left.
  auto cart = pool.with_key("cart");
  cart.eval("items = ['book']");
  std::cout << cart.eval_as<int>("len(items)") << '\n';

  // A job goes on whether or not somebody waits.
  auto job = pool.start("6 * 7");
  auto ended = job.future();
  std::cout << ended.get().result.as<int>() << '\n';
  client.close_pool("squares");

  // A message loop. Sessions, and all clients of the tenant, can send to it.
  auto inbox = client.receive("news");
  std::thread sender{[&client] {
    for (int n = 1; n <= 3; ++n)
      client.send("news", n);
  }};
  for (auto& each : inbox) {
    std::cout << each.content.as<int>() << (each.sequence < 3 ? " " : "\n");
    if (each.sequence == 3)
      break;
  }
  sender.join();
}
