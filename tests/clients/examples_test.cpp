// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <vivarium/testing.hpp>

#include <array>
#include <cstdio>
#include <fstream>
#include <iterator>

#include <sys/wait.h>

using namespace vivarium;

namespace {

std::string read(const std::string& path) {
  std::ifstream in{path, std::ios::binary};
  REQUIRE(in);
  return {std::istreambuf_iterator<char>{in}, {}};
}

/// What a program prints that uses the daemon; it must succeed.
std::string output_of_program(const std::string& program, const daemon_fixture& daemon) {
  const auto command = "VIVARIUM_URL=" + daemon.url() + " " + program;
  std::FILE* pipe = ::popen(command.c_str(), "re");
  REQUIRE(pipe != nullptr);
  std::string out;
  std::array<char, 4'096> piece{};
  while (const auto got = std::fread(piece.data(), 1, piece.size(), pipe))
    out.append(piece.data(), got);
  const int status = ::pclose(pipe);
  INFO(program << ": " << out);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  return out;
}

std::string output_of(const std::string& example, const daemon_fixture& daemon) {
  return output_of_program(EXAMPLE_PROGRAMS "/example_" + example, daemon);
}

} // namespace

TEST_CASE("the examples print what they promise", "[clients][integration]") {
  const daemon_fixture daemon;
  CHECK(output_of("first_eval", daemon)
        == "42\n2 3 5 7 11 13 17 19 \nKeyError: 'key', a LookupError\nso far\n");
  CHECK(output_of("state_and_namespaces", daemon) == "20\n0.1 0.2\nslowly\ndeadline\n");
  CHECK(output_of("objects", daemon) == "4\n255\nkept in Python\n14\ntrue\n");
  CHECK(output_of("streams", daemon) == "0 1 2 3 4 5 \n0 1 4 \n9 16 25 \n");
  CHECK(output_of("background", daemon) == "49\n1\n42\n1 2 3\n");
  CHECK(output_of("async", daemon) == "45\none two\n");
  CHECK(output_of("callbacks", daemon)
        == "Ada\nHello, Ada!\nHostCallError: UserNotFound: there is no such user\n0 2 4 6 \n");
  CHECK(output_of_program(EXAMPLE_SOURCES "/callbacks.sh", daemon)
        == "{}\n\"result\":{\"json\":\"Hello, curl!\"}\n");
}

TEST_CASE("the code of the manual is that of the examples", "[clients][unit]") {
  std::string examples;
  for (const auto* name : {"first_eval", "state_and_namespaces", "objects", "streams", "background",
                           "async", "callbacks"})
    examples += read(EXAMPLE_SOURCES "/" + std::string{name} + ".cpp");
  const auto manual = read(MANUAL);
  static constexpr std::string_view begin = "```cpp\n";
  int blocks = 0;
  for (auto at = manual.find(begin); at != std::string::npos; at = manual.find(begin, at)) {
    at += begin.size();
    const auto end = manual.find("```", at);
    REQUIRE(end != std::string::npos);
    const auto block = manual.substr(at, end - at);
    INFO(block);
    CHECK(examples.find(block) != std::string::npos);
    ++blocks;
    at = end + 3;
  }
  CHECK(blocks >= 5);
}
