// SPDX-License-Identifier: Apache-2.0
#include "daemon/config.hpp"

#include <catch2/catch.hpp>

using namespace vivarium;
using namespace std::chrono_literals;

namespace {

std::size_t problems_of(const std::string& text) {
  config into;
  return parse_config(into, text, "f.toml").lines.size();
}

} // namespace

TEST_CASE("breakers, heartbeats and recycling are read", "[daemon][unit]") {
  config into;
  CHECK(into.core.breaker.failures == 5);
  CHECK(into.core.breaker.open == 30s);
  CHECK(into.core.breaker.probes == 1);
  CHECK(into.core.heartbeats.interval == 2s);
  CHECK(into.core.heartbeats.timeout == 10s);
  CHECK(into.core.heartbeats.missed == 3);
  auto problems = parse_config(into, R"(
[breaker]
failures = 7
open = "1m"
probes = 2
[heartbeats]
interval = "500ms"
timeout = "3s"
missed = 4
[pool]
worker_max_age = "1h"
[pools.math]
max_age = "10m"
max_executions = 1000
[apps]
worker_max_age = "1d"
worker_max_requests = 50
)",
                               "f.toml");
  for (const auto& line : problems.lines)
    FAIL_CHECK(line);
  CHECK(into.core.breaker.failures == 7);
  CHECK(into.core.breaker.open == 1min);
  CHECK(into.core.breaker.probes == 2);
  CHECK(into.core.heartbeats.interval == 500ms);
  CHECK(into.core.heartbeats.timeout == 3s);
  CHECK(into.core.heartbeats.missed == 4);
  CHECK(into.core.worker_max_age == 1h);
  CHECK(into.core.session_pools.at("math").max_age == 10min);
  CHECK(into.core.session_pools.at("math").max_executions == 1'000);
  CHECK(into.core.app_worker_max_age == 24h);
  CHECK(into.core.app_worker_max_requests == 50);
}

TEST_CASE("breakers and heartbeats have bounds", "[daemon][unit]") {
  for (const char* good :
       {"[breaker]\nfailures = 0", "[breaker]\nfailures = 1000", "[breaker]\nopen = \"100ms\"",
        "[breaker]\nopen = \"1h\"", "[breaker]\nprobes = 100", "[heartbeats]\ninterval = \"0s\"",
        "[heartbeats]\ninterval = \"100ms\"", "[heartbeats]\ntimeout = \"1h\"",
        "[heartbeats]\nmissed = 1", "[pool]\nworker_max_age = \"0s\""})
    CHECK(problems_of(good) == 0);
  for (const char* bad :
       {"[breaker]\nfailures = -1", "[breaker]\nfailures = 1001", "[breaker]\nopen = \"99ms\"",
        "[breaker]\nopen = \"61m\"", "[breaker]\nprobes = 0", "[breaker]\nprobes = 101",
        "[breaker]\nclosed = 1", "[heartbeats]\ninterval = \"99ms\"",
        "[heartbeats]\ninterval = \"2h\"", "[heartbeats]\ntimeout = \"99ms\"",
        "[heartbeats]\nmissed = 0", "[heartbeats]\nmissed = 101", "[pools.a]\nmax_executions = -1",
        "[pools.a]\nmax_age = 5", "[apps]\nworker_max_requests = -1"}) {
    INFO(bad);
    CHECK(problems_of(bad) == 1);
  }
}
