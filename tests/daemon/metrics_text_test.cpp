// SPDX-License-Identifier: Apache-2.0
#include "daemon/label_cache.hpp"
#include "daemon/metrics_text.hpp"

#include <catch2/catch.hpp>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <cmath>
#include <limits>

using namespace vivarium;

TEST_CASE("metrics are written in Prometheus' text format", "[daemon][unit]") {
  prometheus::Registry registry;
  auto& calls =
      prometheus::BuildCounter().Name("calls_total").Help("Calls\\,\nall").Register(registry);
  calls.Add({{"method", "a \"b\"\\\n"}}).Increment(3);
  auto& level = prometheus::BuildGauge().Name("level").Help("Level.").Register(registry);
  level.Add({}).Set(-0.25);
  auto& took = prometheus::BuildHistogram().Name("took").Help("Time.").Register(registry);
  auto& plain = took.Add({}, prometheus::Histogram::BucketBoundaries{1e-5, 0.5});
  plain.Observe(0.25);
  plain.Observe(7);
  auto& by = prometheus::BuildHistogram().Name("by").Help("Whose.").Register(registry);
  by.Add({{"tenant", "t"}}, prometheus::Histogram::BucketBoundaries{1});
  (void)prometheus::BuildGauge().Name("nothing").Help("No series.").Register(registry);
  CHECK(metrics_text(registry.Collect()) == R"(# HELP calls_total Calls\\,\nall
# TYPE calls_total counter
calls_total{method="a \"b\"\\\n"} 3
# HELP level Level.
# TYPE level gauge
level -0.25
# HELP took Time.
# TYPE took histogram
took_bucket{le="1e-05"} 0
took_bucket{le="0.5"} 1
took_bucket{le="+Inf"} 2
took_sum 7.25
took_count 2
# HELP by Whose.
# TYPE by histogram
by_bucket{tenant="t",le="1"} 0
by_bucket{tenant="t",le="+Inf"} 0
by_sum{tenant="t"} 0
by_count{tenant="t"} 0
)");
}

TEST_CASE("numbers that are none are written as Prometheus reads them", "[daemon][unit]") {
  prometheus::Registry registry;
  auto& level = prometheus::BuildGauge().Name("l").Help("h").Register(registry);
  constexpr auto infinity = std::numeric_limits<double>::infinity();
  auto& one = level.Add({});
  auto shown = [&](double value) {
    one.Set(value);
    auto text = metrics_text(registry.Collect());
    return text.substr(text.rfind("l "));
  };
  CHECK(shown(std::nan("")) == "l NaN\n");
  CHECK(shown(infinity) == "l +Inf\n");
  CHECK(shown(-infinity) == "l -Inf\n");
  CHECK(shown(1e300) == "l 1e+300\n");
  CHECK(shown(123456789012345) == "l 123456789012345\n");
}

TEST_CASE("what belongs to labels is made once, however many there are", "[daemon][unit]") {
  label_cache<2, int> cache;
  int made = 0;
  for (int round = 0; round < 3; ++round)
    for (int n = 0; n < 1'000; ++n) {
      auto name = "tenant-" + std::to_string(n);
      auto& first = cache.find({name, "a"}, [&] { return ++made; });
      auto& second = cache.find({name, "a"}, [&] { return ++made; });
      CHECK(&first == &second);
      CHECK(first == n + 1);
    }
  CHECK(made == 1'000);
  CHECK(cache.find({"tenant-1", "b"}, [] { return -1; }) == -1);
}
