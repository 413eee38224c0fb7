// SPDX-License-Identifier: Apache-2.0
#include "daemon/metrics_tracing.hpp"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <utility>
#include <vector>

namespace vivarium {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

MetricFamily family(const char* name, const char* help, MetricType type) {
  MetricFamily out;
  out.name = name;
  out.help = help;
  out.type = type;
  return out;
}

void put(MetricFamily& into, double value, std::vector<ClientMetric::Label> labels = {}) {
  ClientMetric one;
  one.label = std::move(labels);
  if (into.type == MetricType::Gauge)
    one.gauge.value = value;
  else
    one.counter.value = value;
  into.metric.push_back(std::move(one));
}

} // namespace

std::string tracing_metrics(const tracer& of) {
  const auto now = of.count();
  auto recorded =
      family("vivarium_spans_total", "Spans of requests that are recorded.", MetricType::Counter);
  put(recorded, static_cast<double>(now.recorded));
  auto sent = family("vivarium_spans_sent_total", "Spans that the collector has taken.",
                     MetricType::Counter);
  put(sent, static_cast<double>(now.sent));
  auto dropped = family("vivarium_spans_dropped_total",
                        "Spans that nobody will see. cause full: the collector is slower than they "
                        "come; unreachable: it did not take them in several attempts; refused: it "
                        "did not want them; stopped: the daemon ended first.",
                        MetricType::Counter);
  constexpr std::array<const char*, tracer::loss_count> causes{"full", "unreachable", "refused",
                                                               "stopped"};
  for (std::size_t i = 0; i < causes.size(); ++i)
    put(dropped, static_cast<double>(now.lost[i]), {{"cause", causes[i]}});
  auto waiting = family("vivarium_spans_waiting", "Spans that wait to be sent.", MetricType::Gauge);
  put(waiting, static_cast<double>(now.waiting));
  return prometheus::TextSerializer{}.Serialize({recorded, sent, dropped, waiting});
}

} // namespace vivarium
