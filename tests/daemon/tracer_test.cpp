// SPDX-License-Identifier: Apache-2.0
#include "daemon/config.hpp"
#include "daemon/config_tracing.hpp"
#include "daemon/tracer.hpp"

#include <catch2/catch.hpp>

using namespace vivarium;
using namespace std::chrono_literals;

namespace {

tracing_settings settings_of(std::uint32_t per_million = 1'000'000) {
  tracing_settings out;
  out.endpoint = "http://127.0.0.1:1";
  out.sample_per_million = per_million;
  return out;
}

trace_context context(bool sampled) {
  trace_context out;
  out.trace.fill(0xab);
  out.span.fill(0xcd);
  out.sampled = sampled;
  return out;
}

span_facts facts() {
  std::chrono::steady_clock::time_point begin{1s};
  return {.name = "name", .kind = span_kind::server, .from = begin, .to = begin + 5ns};
}

std::vector<std::string> problems_of(const std::string& toml, config& into) {
  return parse_config(into, "[tracing]\n" + toml, "test.toml").lines;
}

} // namespace

TEST_CASE("who has a context is followed, who has none is drawn", "[daemon][unit]") {
  tracer all{settings_of()};
  auto mine = all.enter({});
  CHECK(mine.recorded);
  CHECK(mine.self.known());
  CHECK(mine.self.sampled);
  CHECK(mine.parent == span_id{});
  CHECK_FALSE(all.enter(context(false)).recorded);
  tracer none{settings_of(0)};
  CHECK_FALSE(none.enter({}).recorded);
  CHECK_FALSE(none.enter({}).self.known());
  auto theirs = none.enter(context(true));
  CHECK(theirs.recorded);
  CHECK(theirs.parent == context(true).span);
  CHECK(theirs.self.span != theirs.parent);
}

TEST_CASE("about the share that was asked for is drawn", "[daemon][unit]") {
  tracer half{settings_of(500'000)};
  int drawn = 0;
  for (int i = 0; i < 10'000; ++i)
    drawn += half.enter({}).recorded ? 1 : 0;
  CHECK(drawn > 4'500); // Ten standard deviations.
  CHECK(drawn < 5'500);
}

TEST_CASE("without a collector nothing is recorded and everything passed on", "[daemon][unit]") {
  tracer off{tracing_settings{}};
  auto at = off.enter(context(true));
  CHECK_FALSE(at.recorded);
  CHECK(at.self.span == context(true).span);
  CHECK_FALSE(off.enter({}).self.known());
  off.tell(at, facts(), {});
  CHECK(off.count().recorded == 0);
}

TEST_CASE("a span is rendered as OTLP has it", "[daemon][unit]") {
  trace_place at;
  at.self = context(true);
  at.recorded = true;
  auto text = render_span(at, facts(),
                          {{"a", "b\"\n\x01\xff"}, {"n", std::int64_t{-7}}, {"none", ""}}, 100);
  CHECK(
      text
      == R"({"traceId":"abababababababababababababababab","spanId":"cdcdcdcdcdcdcdcd","name":"name",)"
         R"("kind":2,"startTimeUnixNano":"1000000100","endTimeUnixNano":"1000000105","attributes":[)"
         R"({"key":"a","value":{"stringValue":"b\"\n\u0001)"
         "\xEF\xBF\xBD"
         R"("}},{"key":"n","value":{"intValue":"-7"}}],"status":{}})");
  at.parent.fill(1);
  auto what = facts();
  what.trouble = "timeout";
  what.to = what.from - 1s; // Clocks of others are not trusted to go on.
  text = render_span(at, what, {}, 0);
  CHECK(text.find(R"("parentSpanId":"0101010101010101")") != std::string::npos);
  CHECK(text.find(R"("attributes":[{"key":"error.type","value":{"stringValue":"timeout"}}])")
        != std::string::npos);
  CHECK(text.ends_with(R"("status":{"code":2}})"));
  CHECK(text.find(R"("endTimeUnixNano":"1000000000")") != std::string::npos);
}

TEST_CASE("long texts are cut", "[daemon][unit]") {
  trace_place at;
  at.self = context(true);
  const std::string exact(tracer::max_text, 'x');
  const std::string longer(tracer::max_text + 1, 'x');
  CHECK(render_span(at, facts(), {{"a", exact}}, 0)
        == render_span(at, facts(), {{"a", longer}}, 0));
}

TEST_CASE("what does not fit is dropped and counted", "[daemon][unit]") {
  auto with = settings_of();
  with.queue = 3;
  with.batch = 2;
  tracer one{with};
  int woken = 0;
  one.on_enough([&woken] { ++woken; });
  auto at = one.enter({});
  for (int i = 0; i < 5; ++i)
    one.tell(at, facts(), {});
  CHECK(woken == 1);
  CHECK(one.count().recorded == 5);
  CHECK(one.count().waiting == 3);
  CHECK(one.count().lost[static_cast<std::size_t>(tracer::loss::full)] == 2);
  auto first = one.take();
  CHECK(first.count == 2);
  CHECK(first.spans.find("},{\"traceId\"") != std::string::npos);
  CHECK(one.take().count == 1);
  CHECK(one.take().count == 0);
  one.tell(at, facts(), {});
  CHECK(one.count().waiting == 1);
}

TEST_CASE("a share is a number of percent", "[daemon][unit]") {
  CHECK(read_percent("100%") == 1'000'000u);
  CHECK(read_percent("0%") == 0u);
  CHECK(read_percent("0.5%") == 5'000u);
  CHECK(read_percent("0.0001%") == 1u);
  CHECK(read_percent("12.25%") == 122'500u);
  for (const auto* bad : {"", "%", "1", "101%", "100.1%", "-1%", "1.%", ".5%", "0.00001%", "1.5.5%",
                          "a%", "0x1%", " 1%", "1 %", "99999%"}) {
    INFO(bad);
    CHECK_FALSE(read_percent(bad));
  }
}

TEST_CASE("headers of the collector are read in both forms", "[daemon][unit]") {
  tracing_settings into;
  CHECK(add_header_lines(into, "Authorization: Bearer a:b\r\n\n  X-Own :  1 \n"));
  CHECK(add_header_list(into, "a=b=c, d = e"));
  using headers = std::vector<std::pair<std::string, std::string>>;
  CHECK(into.headers
        == headers{{"authorization", "Bearer a:b"}, {"x-own", "1"}, {"a", "b=c"}, {"d", "e"}});
  for (const auto* bad : {"Host: x", "Content-Length: 1", "transfer-encoding: chunked", "nothing",
                          "a b: c", "a:", ": c", "a: b\x01"}) {
    INFO(bad);
    CHECK_FALSE(add_header_lines(into, bad));
  }
}

TEST_CASE("[tracing] is checked", "[daemon][unit]") {
  config with;
  CHECK(problems_of(
            "endpoint = \"https://Collector.example:443/otlp/\"\nsample = \"1%\"\nqueue = 10\n"
            "batch = 5\ninterval = \"10ms\"\ntimeout = \"100ms\"\nservice_name = \"a\"",
            with)
            .empty());
  const auto& to = with.tracing;
  CHECK(to.on());
  CHECK((to.secure && to.host == "collector.example" && to.port == 443));
  CHECK(to.path == "/otlp/v1/traces");
  CHECK(to.sample_per_million == 10'000);
  config six;
  CHECK(problems_of("endpoint = \"http://[::1]\"", six).empty());
  CHECK(
      (six.tracing.host == "::1" && six.tracing.port == 4318 && six.tracing.path == "/v1/traces"));
  for (const auto* bad : {"endpoint = \"127.0.0.1:4318\"",
                          "endpoint = \"ftp://a\"",
                          "endpoint = \"http://\"",
                          "endpoint = \"http://a:0\"",
                          "endpoint = \"http://a:65536\"",
                          "endpoint = \"http://a:b\"",
                          "endpoint = \"http://u:p@a\"",
                          "endpoint = \"http://a/?q\"",
                          "endpoint = \"http://a b\"",
                          "endpoint = \"http://::1\"",
                          "sample = \"2\"",
                          "sample = \"101%\"",
                          "queue = 0",
                          "queue = 1000001",
                          "batch = 0",
                          "batch = 10001",
                          "interval = \"9ms\"",
                          "interval = \"61s\"",
                          "timeout = \"99ms\"",
                          "timeout = \"61s\"",
                          "service_name = \"\"",
                          "headers_file = \"/nowhere/at/all\"",
                          "headers_env = \"VIVARIUM_NOT_SET_ANYWHERE\"",
                          "unknown = 1"}) {
    INFO(bad);
    config other;
    CHECK(problems_of(bad, other).size() == 1);
  }
}
