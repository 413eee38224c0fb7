// SPDX-License-Identifier: Apache-2.0
#include <vivarium/client.hpp>

#include <iostream>

int main() {
  auto client = vivarium::client::connect();
  auto session = client.session();

  // A generator is a range; only so much of it is computed as is read.
  session.eval("def naturals():\n"
               "  n = 0\n"
               "  while True:\n"
               "    yield n\n"
               "    n += 1");
  for (auto& item : session.stream("naturals()", {}, {.window = 1})) {
    std::cout << item.as<int>() << ' ';
    if (item.as<int>() == 5)
      break; // Closes the generator.
  }
  std::cout << '\n';

  // A few now, a few later.
  auto squares = session.stream("(n * n for n in naturals())");
  for (int round = 0; round < 2; ++round) {
    for (auto& item : squares.take(3))
      std::cout << item.as<int>() << ' ';
    std::cout << '\n';
  }
}
