// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/shell.hpp"

#include <catch2/catch.hpp>

#include <csignal>
#include <cstdio>

using namespace vivarium::cli;

namespace {

shell_result run(const std::string& command, const std::string& input = {}) {
  return run_shell(command, input, {}, [] { return true; });
}

} // namespace

TEST_CASE("a command gets its input and gives output, errors and status", "[clients][unit]") {
  const auto done = run("cat; echo oops >&2; exit 3", "in");
  CHECK(done.out == "in");
  CHECK(done.err == "oops\n");
  CHECK(done.status == 3);
  CHECK(run("kill -9 $$").status == -SIGKILL);
  CHECK(run("exit 0", std::string(1 << 20, 'x')).status == 0); // It does not read it.
  CHECK(run("cat", std::string(1 << 20, 'x')).out.size() == 1 << 20);
}

TEST_CASE("what a command has started in the background is not waited for", "[clients][unit]") {
  const auto done = run("sleep 600 & echo $!");
  CHECK(done.status == 0);
  const auto pid = std::stoi(done.out);
  CHECK(::kill(pid, SIGKILL) == 0);
}

TEST_CASE("variables are set in the environment of a command", "[clients][unit]") {
  ::setenv("VIVARIUM_TEST_KEPT", "kept", 1);
  ::setenv("VIVARIUM_TEST", "old", 1);
  const auto done = run_shell("echo \"$VIVARIUM_TEST $VIVARIUM_TEST_KEPT\"", {},
                              {{"VIVARIUM_TEST", "a; echo b"}}, [] { return true; });
  CHECK(done.out == "a; echo b kept\n");
}

TEST_CASE("a command that nobody needs any more is killed with all that it started",
          "[clients][unit]") {
  int asked = 0;
  const auto done = run_shell("sleep 600", {}, {}, [&asked] { return ++asked < 2; });
  CHECK(done.status == -SIGKILL);
  CHECK(asked == 2);
}

TEST_CASE("a command that writes without end is stopped", "[clients][unit]") {
  const auto done = run("cat /dev/zero");
  CHECK(done.overflown);
  CHECK(done.status == -SIGKILL);
}
