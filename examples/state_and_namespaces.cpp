// SPDX-License-Identifier: Apache-2.0
#include <vivarium/client.hpp>

#include <iostream>

int main() {
  auto client = vivarium::client::connect();

  // A session keeps its names until it is closed, here by the destructor.
  auto session = client.session({.init = vivarium::init_script{.source = "rate = 0.2"}});
  session.eval("def tax(x): return x * rate");
  std::cout << session.eval_as<double>("tax(100)") << '\n';

  // A namespace has names of its own: this one those of the base namespace, and another rate.
  auto cheap = session.make_namespace({.from = {{.name = ""}}, .variables = {{"rate", 0.1}}});
  std::cout << cheap.eval_as<double>("rate") << ' ' << session.eval_as<double>("rate") << '\n';

  // What is run for its output, with a deadline.
  auto verdict =
      session.run("print('slowly')\nwhile True: pass", {.timeout = std::chrono::milliseconds{200}});
  std::cout << verdict.output << (verdict.ok() ? "ended" : verdict.cause->cause) << '\n';
}
