// SPDX-License-Identifier: Apache-2.0
#include <vivarium/client.hpp>

#include <iostream>

int main() {
  auto client = vivarium::client::connect();
  auto session = client.session();

  // A function of a module, without source.
  std::cout << session.call("math", "sqrt", 16).as<double>() << '\n';
  std::cout << session.call("builtins", "int", "ff", vivarium::kwargs{{"base", 16}}).as<int>()
            << '\n';

  // What has no form of its own stays in the session, and this is its handle. It releases the
  // object when it goes.
  auto buffer = session.call("io", "StringIO").as<vivarium::ref>();
  buffer.call("write", "kept in Python");
  std::cout << buffer.call("getvalue").as<std::string>() << '\n';

  // A handle is an argument like any other.
  std::cout << session.eval_as<int>("b.tell()", {{"b", buffer}}) << '\n';

  // A context manager is left at the end of the block.
  { auto inside = buffer.enter(); }
  std::cout << std::boolalpha << buffer.attr("closed").as<bool>() << '\n';
}
