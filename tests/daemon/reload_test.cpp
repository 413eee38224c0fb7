// SPDX-License-Identifier: Apache-2.0
#include "daemon/config.hpp"
#include "daemon/config_keys.hpp"
#include "daemon/reload.hpp"
#include "daemon/state_lock.hpp"
#include "daemon/units.hpp"
#include "daemon/wall_clock.hpp"

#include <catch2/catch.hpp>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <unistd.h>

using namespace vivarium;
using namespace std::chrono_literals;

namespace {

config_values values_of(std::string_view text) {
  config into;
  auto problems = parse_config(into, text, "f.toml");
  for (const auto& line : problems.lines)
    FAIL(line);
  return into.values;
}

std::string changes(std::string_view before, std::string_view after) {
  std::string out;
  for (const auto& one : compare(values_of(before), values_of(after)).changes)
    out += one.key + ": " + one.before + " -> " + one.after + " ("
           + std::string{name_of(one.effect)} + ")\n";
  return out;
}

/// A folder that goes with the test.
struct folder {
  std::string name = "/tmp/vivarium-state-XXXXXX";
  folder() { REQUIRE(::mkdtemp(name.data()) != nullptr); }
  folder(const folder&) = delete;
  folder& operator=(const folder&) = delete;
  ~folder() { std::filesystem::remove_all(name); }
};

} // namespace

TEST_CASE("each key of the configuration has its row and each row its key", "[daemon][unit]") {
  auto reference = make_config_reference();
  CHECK(reference.trouble.empty());
  CHECK(reference.json.find(
            R"("key": "server.max_connections", "type": "count", "bounds": "1 to 1000000")")
        != std::string::npos);
}

TEST_CASE("rows of tables are for all that they hold", "[daemon][unit]") {
  CHECK(find_config_key("tenants.NAME.routes.json.dumps")->path == "tenants.NAME.routes.*");
  CHECK(find_config_key("limits.max.memory")->path == "limits.max.*");
  CHECK(find_config_key("limits.memory")->path == "limits.memory");
  CHECK(find_config_key("limits.nothing") == nullptr);
  CHECK(find_config_key("nothing") == nullptr);
}

TEST_CASE("a comparison tells what has changed and when it takes effect", "[daemon][unit]") {
  CHECK(changes("", "").empty());
  CHECK(changes("[pool]\nready = 4", "[pool]\nready = 5") == "pool.ready: 4 -> 5 (restart)\n");
  CHECK(changes("", "[pool]\nready = 5") == "pool.ready: 8 -> 5 (restart)\n");
  CHECK(changes("[pool]\nready = 5", "") == "pool.ready: 5 -> 8 (restart)\n");
  CHECK(changes("[tenants.a]\nsessions = 1\n[tenants.b]", "[tenants.a]\n[tenants.b]\negress = []")
        == "tenants.a.sessions: 1 -> limits.sessions (now)\n"
           "tenants.b.egress: none, and all without keys -> [] (new_sessions)\n");
  CHECK(changes("[log]\nlevel = \"warn\"", "[log]\nlevel = \"debug\"")
        == "log.level: \"warn\" -> \"debug\" (now)\n");
  CHECK(changes("[server]\nhosts = [\"a\"]", "[server]\nhosts = [\"a\", \"b\"]")
        == "server.hosts: [\"a\"] -> [\"a\", \"b\"] (now)\n");
}

TEST_CASE("another way to say the same is no change", "[daemon][unit]") {
  CHECK(changes("[limits]\ntimeout = \"2m\"", "[limits]\ntimeout = \"120s\"").empty());
  CHECK(changes("[server]\nbody_bytes = \"64MiB\"", "[server]\nbody_bytes = \"65536KiB\"").empty());
  CHECK(changes("[server]\nbody_bytes = \"64MiB\"", "").empty());
  CHECK(changes("[log]\nlevel = \"info\"", "").empty());
}

TEST_CASE("secrets and long texts are not shown", "[daemon][unit]") {
  CHECK(changes("[environments.e.environment_variables]\nA = \"one\"",
                "[environments.e.environment_variables]\nA = \"two\"")
        == "environments.e.environment_variables.A: (hidden) -> (hidden) (restart)\n");
  std::string letters(150, 'x');
  for (int n = 0; n < 50; ++n)
    letters += "\xc3\xa9";
  auto values = values_of("[server]\nhosts = [\"" + letters + "\"]");
  const auto& shown = values.at("server.hosts").shown;
  CHECK(shown.size() <= 203);
  CHECK(shown.ends_with("\xc3\xa9..."));
  // What is cut counts all the same.
  CHECK_FALSE(changes("[server]\nhosts = [\"" + letters + "a\"]",
                      "[server]\nhosts = [\"" + letters + "b\"]")
                  .empty());
}

TEST_CASE("a file that a key names is part of its value", "[daemon][unit]") {
  folder here;
  auto path = here.name + "/url";
  auto text = "[databases.d]\nurl_file = \"" + path + "\"\n";
  auto write = [&](const char* url) { std::ofstream{path} << url; };
  write("postgresql://u:secret@h/d");
  auto before = values_of(text);
  write("postgresql://u:other@h/d");
  auto report = compare(before, values_of(text));
  REQUIRE(report.changes.size() == 1);
  CHECK(report.changes[0].key == "databases.d.url_file");
  CHECK(report.changes[0].after == "\"" + path + "\"");
}

TEST_CASE("figures are shown as they would be written", "[daemon][unit]") {
  CHECK(show_duration(0ms) == "0ms");
  CHECK(show_duration(1'500ms) == "1500ms");
  CHECK(show_duration(90s) == "90s");
  CHECK(show_duration(48h) == "2d");
  CHECK(show_size(0) == "0B");
  CHECK(show_size(1'025) == "1025B");
  CHECK(show_size(3u << 20) == "3MiB");
}

TEST_CASE("a state directory is one daemon's only", "[daemon][unit]") {
  folder here;
  auto path = here.name + "/a/b";
  {
    auto first = state_lock::take(path);
    REQUIRE(first);
    auto second = state_lock::take(path);
    REQUIRE_FALSE(second);
    CHECK(second.why().code == errc::already_exists);
    CHECK(second.why().detail.find("process " + std::to_string(::getpid()) + " on ")
          != std::string::npos);
    CHECK(second.why().detail.find("--state-dir") != std::string::npos);
  }
  CHECK(state_lock::take(path));
  // What is in it is shown only when it is what a daemon writes.
  auto held = state_lock::take(path);
  REQUIRE(held);
  std::ofstream{path + "/.lock"} << "\x1b[31mred\n";
  CHECK(state_lock::take(path).why().detail.find("has not said who it is") != std::string::npos);
  CHECK(state_lock::take("/proc/nowhere").why().code == errc::os_failure);
}

TEST_CASE("a clock that was set is noticed, one that is corrected is not", "[daemon][unit]") {
  clock_watch watch{{1'000s, 10s}};
  CHECK_FALSE(watch.look({1'001s, 11s}));
  CHECK_FALSE(watch.look({1'012s, 13s})); // 9 s, and once more: they do not add up.
  CHECK_FALSE(watch.look({1'022s, 14s}));
  CHECK(watch.look({1'022s + 2h, 14s}) == 2h);
  CHECK_FALSE(watch.look({1'023s + 2h, 15s}));
  CHECK(watch.look({1'024s, 16s}) == -2h);
  // A machine that slept has not jumped: the other clock counts that, too.
  CHECK_FALSE(watch.look({1'024s + 8h, 16s + 8h}));
  CHECK(watch.look({1'034s + 8h, 16s + 8h}) == 10s);
}
