// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <vivarium/client.hpp>
#include <vivarium/testing.hpp>

#include <algorithm>

using namespace vivarium;

TEST_CASE("a client is an administrator where there are no keys", "[clients][integration]") {
  const daemon_fixture daemon;
  const auto client = daemon.connect();
  const auto on = client.admin();
  CHECK(on.status().ready);
  CHECK(on.status().level == daemon_log_level::info);
  CHECK(on.tenants().entries.at(0).name == "local");
  const auto kept = client.session({.name = "kept"});
  const auto other = client.session();
  auto first = on.sessions({.size = 1});
  REQUIRE(first.entries.size() == 1);
  CHECK_FALSE(first.next.empty());
  CHECK(first.entries[0].use == session_use::own);
  auto second = on.sessions({.size = 1, .from = first.next});
  CHECK(second.entries.at(0).session.id != first.entries[0].session.id);

  const auto running = kept.start("import time\nwhile True: time.sleep(0.01)");
  const auto seen = on.executions({}, "local").entries;
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].id == running.id());
  CHECK(on.stop_execution(running.id()).stopped);
  CHECK_THROWS_AS(on.stop_execution("exe_nobodys"), not_found_error);
  CHECK(on.end_session("kept", stop_mode::kill, "local") == "local");
  CHECK_THROWS_AS(on.end_session("kept"), invalid_argument_error);

  (void)on.drain();
  CHECK(on.status().drained);
  CHECK_THROWS_AS(client.session(), unavailable_error);
  on.undrain();
  CHECK(client.eval_as<int>("1 + 1") == 2);

  CHECK(on.recycle("default").pools == 1);
  CHECK(on.worker_pools().entries.at(0).environment == "default");
  const auto environments = on.environments().entries;
  CHECK(std::any_of(environments.begin(), environments.end(),
                    [](const auto& one) { return one.environment.name == "default"; }));
  CHECK(on.pools().entries.empty());
  CHECK(on.set_log_level(daemon_log_level::error) == daemon_log_level::info);
}
