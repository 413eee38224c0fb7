// SPDX-License-Identifier: Apache-2.0
#include "daemon/config.hpp"
#include "daemon/units.hpp"

#include <catch2/catch.hpp>

#include <chrono>

using namespace vivarium;
using namespace std::chrono_literals;

namespace {

std::string problem_of(std::string_view text) {
  config into;
  auto problems = parse_config(into, text, "f.toml");
  std::string all;
  for (const auto& line : problems.lines)
    all += line + "\n";
  return all;
}

} // namespace

TEST_CASE("durations and sizes have units", "[daemon][unit]") {
  REQUIRE(parse_duration("100ms") == 100ms);
  REQUIRE(parse_duration("2s") == 2s);
  REQUIRE(parse_duration("5m") == 5min);
  REQUIRE(parse_duration("1h") == 1h);
  REQUIRE(parse_duration("30d") == 720h);
  REQUIRE(parse_duration("0s") == 0s);
  for (auto bad : {"", "5", "s", "-1s", "1.5s", "1 s", "1s ", "1w", "1S", "99999999999999999999s",
                   "9223372036854775807h", "+1s"})
    REQUIRE_FALSE(parse_duration(bad));
  REQUIRE(parse_size("10B") == 10u);
  REQUIRE(parse_size("1KiB") == 1024u);
  REQUIRE(parse_size("64MiB") == 64u << 20);
  REQUIRE(parse_size("2GiB") == 2ull << 30);
  for (auto bad : {"", "1", "1KB", "1kib", "-1B", "1.5MiB", "MiB", "99999999999GiB"})
    REQUIRE_FALSE(parse_size(bad));
}

TEST_CASE("a whole configuration is read", "[daemon][unit]") {
  config into;
  auto problems = parse_config(into, R"(
[server]
listen = ["127.0.0.1:0", "unix:///tmp/x.sock"]
socket_mode = "0660"
hosts = ["box"]
origins = ["https://a.example"]
max_connections = 7
body_bytes = "1MiB"
idle_timeout = "10s"
drain_timeout = "1m"
[sandbox]
allow_degraded = ["landlock"]
[limits]
memory = "256MiB"
timeout = "30s"
queue = 5
event_log_ttl = "10m"
[pool]
ready = 3
low = 1
[environments.science]
python = "/opt/python"
preload = ["numpy"]
eager = false
[environments.default]
preload = []
[log]
level = "debug"
format = "text"
[metrics]
enabled = false
)",
                               "f.toml");
  REQUIRE(problems.lines.empty());
  REQUIRE(into.listen.size() == 2);
  REQUIRE(into.socket_mode == 0660);
  REQUIRE(into.network.max_connections == 7);
  REQUIRE(into.network.http.body_bytes == 1u << 20);
  REQUIRE(into.network.idle_timeout == 10s);
  REQUIRE(into.drain_timeout == 1min);
  REQUIRE(into.core.without.contains(sandbox::layer::landlock));
  REQUIRE(into.core.limits[limit::memory] == 256ull << 20);
  REQUIRE(into.core.timeout == 30s);
  REQUIRE(into.core.log_ttl == 600s);
  REQUIRE(into.core.pool_ready == 3);
  REQUIRE(into.core.environments.at("science").python == "/opt/python");
  REQUIRE_FALSE(into.core.environments.at("science").eager);
  REQUIRE(into.core.environments.at("default").preload.empty());
  REQUIRE(into.core.environments.count("data") == 1);
  REQUIRE(into.level == log_level::debug);
  REQUIRE(into.format == log_format::text);
  REQUIRE_FALSE(into.metrics);
}

TEST_CASE("an empty configuration is a good one", "[daemon][unit]") {
  REQUIRE(problem_of("").empty());
}

TEST_CASE("the defaults are those that are documented", "[daemon][unit]") {
  config defaults;
  const auto& core = defaults.core;
  CHECK(core.limits[limit::memory] == 512u << 20);
  CHECK(core.limits[limit::workspace] == 64u << 20);
  CHECK(core.limits[limit::inodes] == 10'000);
  CHECK(core.limits[limit::threads] == 32);
  CHECK(core.limits[limit::descriptors] == 256);
  CHECK(core.limits[limit::output] == 1u << 20);
  CHECK(core.limits[limit::result] == 32u << 20);
  CHECK(core.source_bytes == 16u << 20);
  CHECK(core.limits[limit::event_log] == 4u << 20);
  CHECK(core.log_ttl == 10min);
  CHECK(core.kept_executions == 100);
  CHECK(core.max_sessions == 10'000);
  CHECK(core.max_workers == 10'000);
  CHECK(core.idle_timeout == 1h);
  CHECK(core.limits[limit::queue] == 1'000);
  CHECK(core.timeout == 2min);
  CHECK(core.max_timeout == 24h);
  CHECK(core.grace == 1s);
  CHECK(core.start_timeout == 30s);
  CHECK(core.zygote_timeout == 1min);
  const auto& net = defaults.network;
  CHECK(net.http.header_bytes == 16u << 10);
  CHECK(net.http.body_bytes == 64u << 20);
  CHECK(net.frame_bytes == 64u << 20);
  CHECK(net.in_flight == 1'000);
  CHECK(net.max_connections == 10'000);
  CHECK(net.header_timeout == 10s);
  CHECK(net.body_timeout == 1min);
  CHECK(net.idle_timeout == 5min);
  CHECK(net.write_timeout == 30s);
  CHECK(net.ping_interval == 30s);
  CHECK(defaults.drain_timeout == 30s);
}

TEST_CASE("what is wrong is told with its line and path", "[daemon][unit]") {
  auto text = problem_of("[server]\nhosts = []\nlisten_to = \"x\"\n");
  REQUIRE(text == "f.toml:3: server.listen_to: unknown key\n");
  REQUIRE(problem_of("[sever]\n").find("f.toml:1: sever: unknown key") == 0);
  REQUIRE(problem_of("[environments.a]\npyton = \"/x\"\n").find("environments.a.pyton: unknown key")
          != std::string::npos);
}

TEST_CASE("values of the wrong kind or out of range are refused", "[daemon][unit]") {
  for (auto text : {"[server]\nlisten = \"127.0.0.1:1\"",
                    "[server]\nlisten = [1]",
                    "[server]\nsocket_mode = \"0999\"",
                    "[server]\nsocket_mode = \"0077\"",
                    "[server]\norigins = [\"example\"]",
                    "[server]\nmax_connections = 0",
                    "[server]\nmax_connections = \"7\"",
                    "[server]\nheader_bytes = 16",
                    "[server]\nbody_bytes = \"64MB\"",
                    "[server]\nidle_timeout = 5",
                    "[server]\nidle_timeout = \"10ms\"",
                    "[server]\nidle_timeout = \"1w\"",
                    "server = 1",
                    "[tls]\ncert = \"/a\"",
                    "[tls]\nkey = \"/a\"",
                    "[sandbox]\nallow_degraded = [\"moat\"]",
                    "[sandbox]\nuid_base = 0",
                    "[limits]\nmemory = \"1MiB\"",
                    "[limits]\nthreads = -1",
                    "[limits]\ntimeout = \"2h\"\nmax_timeout = \"1h\"",
                    "[limits]\nqueue = 1.5",
                    "[pool]\nready = 1\nlow = 2",
                    "[environments.Bad_Name]\n",
                    "[environments.a]\npython = \"python3\"",
                    "[environments.a]\neager = \"yes\"",
                    "[environments.a]\npreload = \"numpy\"",
                    "[log]\nlevel = \"loud\"",
                    "[log]\nformat = 1",
                    "[metrics]\nenabled = 1",
                    "[tenants.a]\nnone = 1\n",
                    "[server\n",
                    "a = \"\\xZZ\"",
                    "a = [\t\xd0\x84",
                    "\xc3\xa4 = 1",
                    "a = \"x\"\xc3\xa4"}) {
    INFO(text);
    REQUIRE_FALSE(problem_of(text).empty());
  }
}

TEST_CASE("all problems are told, not only the first", "[daemon][unit]") {
  auto text = problem_of("[server]\nx = 1\ny = 2\n[log]\nlevel = \"loud\"\n");
  REQUIRE(std::count(text.begin(), text.end(), '\n') == 3);
}

TEST_CASE("the watermarks of connections are set, and low is below high", "[daemon][unit]") {
  config into;
  REQUIRE(parse_config(into, R"(
[server]
write_high_watermark = "64KiB"
write_low_watermark = "64KiB"
read_high_watermark = "1KiB"
)",
                       "f.toml")
              .lines.empty());
  CHECK(into.network.marks.write_high == 64u << 10);
  CHECK(into.network.marks.write_low == 64u << 10);
  CHECK(into.network.marks.read_high == 1u << 10);

  config half;
  REQUIRE(parse_config(half, "[server]\nwrite_high_watermark = \"64KiB\"", "f").lines.empty());
  CHECK(half.network.marks.write_low == 32u << 10);

  CHECK(problem_of("[server]\nwrite_low_watermark = \"1025KiB\"").find("is above")
        != std::string::npos);
  CHECK(problem_of("[server]\nwrite_low_watermark = \"1024KiB\"").empty());
  CHECK(problem_of("[server]\nwrite_high_watermark = \"4KiB\"").empty());
  CHECK_FALSE(problem_of("[server]\nwrite_high_watermark = \"3KiB\"").empty());
  CHECK_FALSE(problem_of("[server]\nread_high_watermark = \"100B\"").empty());
}

TEST_CASE("limits have maxima, which hold for what nobody configured", "[daemon][unit]") {
  config into;
  CHECK(parse_config(into, R"(
[limits]
memory = "64MiB"
cpu = "10s"
displays = 0
[limits.max]
memory = "1GiB"
threads = 4
refs = 5
)",
                     "f.toml")
            .lines.empty());
  const auto& core = into.core;
  CHECK(core.limits[limit::memory] == 64u << 20);
  CHECK(core.limits[limit::cpu] == 10'000);
  CHECK(core.limits[limit::displays] == 0);
  CHECK(core.limits[limit::threads] == 4);
  CHECK(core.limits_max[limit::memory] == 1ull << 30);
  CHECK(core.limits_max[limit::refs] == 5u);
  CHECK_FALSE(core.limits_max[limit::queue]);
  CHECK(problem_of("[limits]\nmemory = \"64MiB\"\n[limits.max]\nmemory = \"32MiB\"")
        == "f.toml:2: limits.memory: is more than limits.max.memory\n");
  CHECK(problem_of("[limits.max]\ncolour = 1").find("unknown key") != std::string::npos);
}

TEST_CASE("control groups are automatic, off, required or at a path", "[daemon][unit]") {
  using kind = sandbox::cgroup_choice::kind;
  auto chosen = [](const std::string& text) {
    config into;
    CHECK(parse_config(into, "[sandbox]\ncgroup = \"" + text + "\"", "f").lines.empty());
    return into.core.cgroup;
  };
  CHECK(config{}.core.cgroup.what == kind::automatic);
  CHECK(chosen("auto").what == kind::automatic);
  CHECK(chosen("off").what == kind::off);
  CHECK(chosen("required").what == kind::required);
  CHECK(chosen("/sys/fs/cgroup/x").what == kind::path);
  CHECK(chosen("/sys/fs/cgroup/x").path == "/sys/fs/cgroup/x");
  CHECK(problem_of("[sandbox]\ncgroup = \"on\"").find("sandbox.cgroup") != std::string::npos);
  config into;
  CHECK(parse_config(into, "[sandbox]\nmemory_reserve = \"1GiB\"\nsession_cpu_percent = 150", "f")
            .lines.empty());
  CHECK(into.core.watch.reserve == 1ull << 30);
  CHECK(into.core.session_cpu_percent == 150u);
}

TEST_CASE("a tenant may be kept from processes", "[daemon][unit]") {
  config into;
  REQUIRE(
      parse_config(into, "[tenants.a]\nprocesses = \"none\"\n[tenants.b]\n", "f").lines.empty());
  CHECK(into.core.tenants.at("a").processes == process_mode::none);
  CHECK(into.core.tenants.at("b").processes == process_mode::children);
}

TEST_CASE("directories of an environment are read", "[daemon][unit]") {
  config into;
  auto problems = parse_config(into, R"(
[environments.data.dirs]
"/srv/data" = "read"
"/srv/out" = "write"
)",
                               "f");
  for (const auto& line : problems.lines)
    FAIL_CHECK(line);
  const auto& dirs = into.core.environments.at("data").dirs;
  REQUIRE(dirs.size() == 2);
  CHECK(dirs[0] == sandbox::shared_dir{"/srv/data", false});
  CHECK(dirs[1] == sandbox::shared_dir{"/srv/out", true});
  CHECK(into.core.environments.at("default").dirs.empty());
  auto problem_of = [](const std::string& line) {
    config ignored;
    auto found = parse_config(ignored, "[environments.data.dirs]\n" + line + "\n", "f");
    return found.lines.empty() ? std::string{} : found.lines.front();
  };
  for (auto path : {"srv", "/", "/srv/", "/srv//x", "/srv/../etc", "/./srv"})
    CHECK(problem_of('"' + std::string{path} + "\" = \"read\"").find("absolute path")
          != std::string::npos);
  for (auto path : {"/etc", "/etc/ssl", "/usr/share", "/dev/shm", "/tmp/x", "/proc", "/opt"})
    CHECK(problem_of('"' + std::string{path} + "\" = \"read\"").find("sandbox's own")
          != std::string::npos);
  CHECK(problem_of("\"/srv\" = \"execute\"").find("read, write") != std::string::npos);
  std::string many;
  for (int i = 0; i < 65; ++i)
    many += "\"/srv/" + std::to_string(i) + "\" = \"read\"\n";
  CHECK(problem_of(many).find("more than 64") != std::string::npos);
}

TEST_CASE("egress policies are read", "[daemon][unit]") {
  config into;
  auto problems = parse_config(into, R"(
[environments.shell]
processes = "children"
[egress.web]
allow = ["api.example.com:443", "10.1.2.3:5432"]
allow_private = ["10.1.0.0/16", "::1"]
connections = 10
open = 4
bytes = "1MiB"
connect_timeout = "3s"
[egress.web.resolve]
"API.example.com" = ["192.0.2.1", "2001:db8::1"]
[egress.nothing]
)",
                               "f.toml");
  for (const auto& line : problems.lines)
    FAIL_CHECK(line);
  CHECK(into.core.environments.at("shell").processes == process_mode::children);
  CHECK(into.core.environments.at("default").processes == process_mode::none);
  const auto& web = into.core.egress.at("web");
  CHECK(web.allow.size() == 2);
  CHECK(web.allow[0].text == "api.example.com:443");
  CHECK(web.allow_private.size() == 2);
  CHECK(web.resolve.at("api.example.com").size() == 2);
  CHECK(web.connections == 10);
  CHECK(web.open == 4);
  CHECK(web.bytes == 1u << 20);
  CHECK(web.connect_timeout == 3s);
  const auto& nothing = into.core.egress.at("nothing");
  CHECK(nothing.allow.empty());
  CHECK(nothing.connections == 1'000);
  CHECK(nothing.open == 64);
  CHECK(nothing.bytes == 1u << 30);
  CHECK(nothing.connect_timeout == 10s);
}

TEST_CASE("what is wrong with an egress policy is told", "[daemon][unit]") {
  const std::pair<const char*, const char*> wrong[] = {
      {"allow = [\"*.example.org:443\"]", "wildcards"},
      {"allow = [\"example.org\"]", "must be like"},
      {"allow = [\"10.0.0.1:80\"]", "allow_private must name it, too"},
      {"allow = \"example.org:443\"", "array"},
      {"allow_private = [\"loopback\"]", "neither an address nor a range"},
      {"connect_timeout = \"11s\"", "at most 10000"},
      {"connections = 0", "at least 1"},
      {"bytes = \"1B\"", "at least"},
      {"resolve = {\"1.2.3.4\" = [\"1.1.1.1\"]}", "not the name of a host"},
      {"resolve = {\"a.b\" = [\"x\"]}", "is not an address"},
      {"resolve = {\"a.b\" = []}", "needs 1 to 16"},
      {"deny = []", "unknown key"},
  };
  for (const auto& [text, expected] : wrong) {
    INFO(text);
    CHECK(problem_of("[egress.web]\n" + std::string{text} + "\n").find(expected)
          != std::string::npos);
  }
  CHECK(problem_of("[egress.\"a b\"]\n").find("egress.a b") != std::string::npos);
  CHECK(problem_of("[environments.x]\nprocesses = \"some\"\n").find("none, children")
        != std::string::npos);
}

TEST_CASE("tenants and who may speak for them", "[daemon][unit]") {
  config out;
  auto problems = parse_config(out, R"(
[tls]
cert = "/c"
key = "/k"
client_ca = "/ca"
[auth]
keys = "/var/lib/vivarium/keys"
[auth.certificates.web]
subject = "CN=web"
tenant = "web"
role = "admin"
[tenants.web]
sessions = 5
executions = 6
connections = 7
requests_per_second = 8
burst = 9
memory = "10GiB"
cpu_weight = 11
group_memory = "2GiB"
group_pids = 500
environments = ["default", "data"]
trust_group = "both"
warm = true
timeout = "12s"
max_timeout = "13s"
[tenants.web.limits]
memory = "32MiB"
[tenants.other]
)",
                               "x");
  CHECK(problems.lines.empty());
  CHECK(out.auth.asked());
  CHECK(out.auth.keys == "/var/lib/vivarium/keys");
  REQUIRE(out.auth.certificates.size() == 1);
  CHECK(out.auth.certificates[0].what == role::admin);
  REQUIRE(out.core.tenants.size() == 2); // and no local one: nobody is it
  const auto& web = out.core.tenants.at("web");
  CHECK(web.sessions == 5);
  CHECK(web.executions == 6);
  CHECK(web.connections == 7);
  CHECK(web.requests_per_second == 8);
  CHECK(web.burst == 9);
  CHECK(web.memory_bytes == 10ull << 30);
  CHECK(web.cpu_weight == 11);
  CHECK(web.group_memory == 2ull << 30);
  CHECK(web.group_pids == 500);
  CHECK(web.environments == std::set<std::string>{"data", "default"});
  CHECK(web.trust_group == "both");
  CHECK(web.warm);
  CHECK(web.timeout == 12s);
  CHECK(web.max_timeout == 13s);
  REQUIRE(web.limits_max);
  CHECK((*web.limits_max)[limit::memory] == 32u << 20);
  CHECK_FALSE((*web.limits_max)[limit::threads]);
  CHECK(problem_of("[tenants.a.limits]\nmemory = \"600MiB\"")
        == "f.toml:2: tenants.a.limits.memory: is more than limits.max.memory\n");
  CHECK_FALSE(out.core.tenants.at("other").environments);
  CHECK(out.core.tenants.at("other").group_memory == 0);
  CHECK_FALSE(problem_of("[tenants.a]\ngroup_memory = \"63MiB\"").empty());
  CHECK_FALSE(problem_of("[tenants.a]\ngroup_pids = 15").empty());
  CHECK(out.core.fair_cpu);
  config unshared;
  CHECK(parse_config(unshared, "[sandbox]\nfair_cpu = false\n", "x").lines.empty());
  CHECK_FALSE(unshared.core.fair_cpu);
}

TEST_CASE("without keys there is the local tenant, which may have quotas", "[daemon][unit]") {
  config plain;
  CHECK_FALSE(plain.auth.asked());
  CHECK(plain.core.tenants.contains("local"));
  config out;
  CHECK(parse_config(out, "[tenants.local]\nsessions = 3\n", "x").lines.empty());
  CHECK(out.core.tenants.at("local").sessions == 3);
}

TEST_CASE("characters beyond ASCII are for strings and comments", "[daemon][unit]") {
  for (auto text :
       {"# \xc3\xa4\n[server]\norigins = [\"https://\xc3\xa4.org\"] # \xc3\xb6",
        "\xef\xbb\xbf[environments.a]\npreload = ['\xc3\xa4']\ninit = \"\"\"\n\xc3\xa4\\\"\"\"\""}) {
    INFO(text);
    config into;
    CHECK(parse_config(into, text, "f").lines.empty());
  }
  config into;
  auto problems = parse_config(into, "[server]\na = '\xc3\xa4'\n\xc3\xa4 = 1", "f");
  REQUIRE(problems.lines.size() == 1);
  CHECK(problems.lines[0].starts_with("f:3: "));
}

TEST_CASE("session pools, routes to them, and bounds on messages", "[daemon][unit]") {
  config into;
  auto problems = parse_config(into, R"(
[pools.math]
sessions = 7
queue = 9
tenants = ["local"]
eager = false
environment = "data"
processes = "none"
init = "x = 1"
imports = ["json", "os.path"]
[pools.math.limits]
threads = 4
[pools.common]
trust_group = "local"
[tenants.local.routes]
"numpy" = "math"
"numpy.linalg.norm" = "common"
[messages]
message_bytes = "2KiB"
queue = 3
queue_bytes = "4KiB"
tenant_bytes = "8KiB"
mailboxes = 5
)",
                               "t");
  REQUIRE(problems.lines.empty());
  const auto& math = into.core.session_pools.at("math");
  CHECK(math.sessions == 7);
  CHECK(math.queue == 9);
  CHECK(math.tenants == std::set<std::string>{"local"});
  CHECK_FALSE(math.eager);
  CHECK(math.environment == "data");
  CHECK(math.processes == process_mode::none);
  CHECK(math.init == "x = 1\nimport json\nimport os.path");
  CHECK(math.limits[limit::threads] == 4);
  CHECK(into.core.session_pools.at("common").trust_group == "local");
  CHECK(into.core.tenants.at("local").routes.at("numpy.linalg.norm") == "common");
  CHECK(into.core.mail.message_bytes == 2'048);
  CHECK(into.core.mail.messages == 3);
  CHECK(into.core.mail.bytes == 4'096);
  CHECK(into.core.mail.tenant_bytes == 8'192);
  CHECK(into.core.mail.mailboxes == 5);
}

TEST_CASE("what is wrong with a session pool is told", "[daemon][unit]") {
  for (const auto* text :
       {"[pools.\"No Name\"]\nsessions = 1", "[pools.a]\nsessions = 0",
        "[pools.a]\nsessions = 1001", "[pools.a]\nqueue = -1", "[pools.a]\ntenants = [\"nobody\"]",
        "[pools.a]\ntrust_group = \"nobodys\"", "[pools.a]\nenvironment = \"nope\"",
        "[pools.a]\ntrust_group = \"local\"\ntenants = [\"local\"]", "[pools.a]\negress = \"nope\"",
        "[pools.a]\nimports = [\"os; import sys\"]", "[pools.a]\nimports = [\"a..b\"]",
        "[pools.a]\nimports = [\"1a\"]", "[pools.a]\nimports = [\"a.\"]", "[pools.a]\nunknown = 1",
        "[pools.a.limits]\nthreads = 1000000", "[tenants.local.routes]\n\"json\" = \"nope\"",
        "[tenants.local.routes]\n\"json\" = 5", "[messages]\nmessage_bytes = \"1GiB\"",
        "[messages]\nqueue = 0"}) {
    INFO(text);
    CHECK_FALSE(problem_of(text).empty());
  }
}
