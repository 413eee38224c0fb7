// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/limit.hpp"

#include <catch2/catch.hpp>
#include <vivarium/error.hpp>

using namespace vivarium;
using namespace std::chrono_literals;

TEST_CASE("a limit has a name and an amount", "[clients][unit]") {
  session_limits all;
  for (const auto* text : {"memory=64MiB", "cpu=10s", "threads=4", "displays=0", "workspace=2GiB",
                           "output=100", "queue=7"})
    cli::add_limit(all, text);
  CHECK(all.memory_bytes == 64u << 20);
  CHECK(all.cpu == 10s);
  CHECK(all.threads == 4u);
  CHECK(all.displays == 0u);
  CHECK(all.workspace_bytes == 2ull << 30);
  CHECK(all.output_bytes == 100u);
  CHECK(all.queue == 7u);
  CHECK_FALSE(all.result_bytes);
}

TEST_CASE("what is no limit is told with what there is", "[clients][unit]") {
  for (const auto* text : {"", "memory", "memory=", "memory=-1", "memory=1KB", "threads=4MiB",
                           "cpu=10", "memory=99999999999999GiB", "colour=1"}) {
    INFO(text);
    session_limits all;
    CHECK_THROWS_AS(cli::add_limit(all, text), invalid_argument_error);
  }
}
