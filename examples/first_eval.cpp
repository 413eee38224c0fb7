// SPDX-License-Identifier: Apache-2.0
#include <vivarium/client.hpp>

#include <iostream>

int main() {
  // Without a URL: VIVARIUM_URL, else the default socket, else http://127.0.0.1:7717.
  auto client = vivarium::client::connect();

  // A session of its own for each call.
  std::cout << client.eval_as<int>("x * y", {{"x", 6}, {"y", 7}}) << '\n';

  // Any result is a value; `as` converts it or says why not.
  vivarium::value primes =
      client.eval("[n for n in range(2, 20) if all(n % d for d in range(2, n))]");
  for (int prime : primes.as<std::vector<int>>())
    std::cout << prime << ' ';
  std::cout << '\n';

  // Errors are exceptions; what was printed and used is in the verdict.
  try {
    client.eval("print('so far'); {}['key']");
  } catch (const vivarium::python_error& why) {
    std::cout << why.what() << (why.is("LookupError") ? ", a LookupError" : "") << '\n';
    std::cout << why.verdict()->output;
  }
}
