// SPDX-License-Identifier: Apache-2.0
#include <vivarium/client.hpp>

#include <iostream>
#include <map>

using vivarium::host_call;
using vivarium::value;

int main() {
  auto client = vivarium::client::connect();
  std::map<int, std::string> users{{7, "Ada"}};

  // Functions that Python may call, as long as `serving` lives. They run on threads of the
  // client's, many at once; here both only read.
  auto serving = client.serve({
      {"auth.get_user",
       [&users](host_call& call) -> value {
         const auto found = users.find(call.arg<int>(0));
         if (found == users.end())
           throw vivarium::host_error{"UserNotFound", "there is no such user"};
         return found->second;
       }},
      // One that evaluates in the session that called it, while that waits for the answer.
      {"greet",
       [](host_call& call) {
         return call.session().eval("greeting.format(name)", {{"name", call.args().at(0)}});
       }},
  });

  // To the code they are a module like any other.
  auto session = client.session({.modules = {{.name = "auth", .functions = {"get_user"}}}});
  session.eval("greeting = 'Hello, {}!'");
  std::cout << session.eval_as<std::string>("import auth\nauth.get_user(7)") << '\n';
  std::cout << session.eval_as<std::string>(
      "from vivarium import host\nhost.greet(auth.get_user(7))")
            << '\n';

  // What a function throws is an exception in Python, and an error here when nobody catches it.
  try {
    session.eval("auth.get_user(8)");
  } catch (const vivarium::python_error& why) {
    std::cout << why.what() << '\n';
  }

  // A lambda is an argument like any other, wherever it stands.
  auto twice = [](host_call& call) { return call.arg<int>(0) * 2; };
  for (int each : session.eval_as<std::vector<int>>("[f(n) for n in range(4)]", {{"f", twice}}))
    std::cout << each << ' ';
  std::cout << '\n';
}
