// SPDX-License-Identifier: Apache-2.0
#include "daemon/metrics_text.hpp"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string_view>

namespace vivarium {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricType;

void append_number(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "NaN";
  } else if (std::isinf(value)) {
    out += value > 0 ? "+Inf" : "-Inf";
  } else {
    char text[std::numeric_limits<double>::max_digits10 + 16];
    out.append(text, std::to_chars(text, text + sizeof(text), value).ptr);
  }
}

void append_number(std::string& out, std::uint64_t value) {
  char text[24];
  out.append(text, std::to_chars(text, text + sizeof(text), value).ptr);
}

void append_escaped(std::string& out, std::string_view text, bool quoted) {
  for (char c : text) {
    if (c == '\n')
      out += "\\n";
    else if (c == '\\')
      out += "\\\\";
    else if (c == '"' && quoted)
      out += "\\\"";
    else
      out += c;
  }
}

/// Writes the labels of a series, without the braces.
void write_labels(std::string& into, const ClientMetric& of) {
  into.clear();
  for (const auto& label : of.label) {
    if (!into.empty())
      into += ',';
    into += label.name;
    into += "=\"";
    append_escaped(into, label.value, true);
    into += '"';
  }
}

template <class Number>
void append_line(std::string& out, std::string_view name, std::string_view suffix,
                 std::string_view labels, Number value) {
  out += name;
  out += suffix;
  if (!labels.empty()) {
    out += '{';
    out += labels;
    out += '}';
  }
  out += ' ';
  append_number(out, value);
  out += '\n';
}

void append_histogram(std::string& out, std::string_view name, const std::string& labels,
                      const ClientMetric::Histogram& what) {
  std::string start{name};
  start += "_bucket{";
  start += labels;
  start += labels.empty() ? "le=\"" : ",le=\"";
  auto bucket = [&](double bound, std::uint64_t count) {
    out += start;
    append_number(out, bound);
    out += "\"} ";
    append_number(out, count);
    out += '\n';
  };
  constexpr auto infinity = std::numeric_limits<double>::infinity();
  double last = -infinity;
  for (const auto& one : what.bucket)
    bucket(last = one.upper_bound, one.cumulative_count);
  if (last != infinity)
    bucket(infinity, what.sample_count);
  append_line(out, name, "_sum", labels, what.sample_sum);
  append_line(out, name, "_count", labels, what.sample_count);
}

} // namespace

std::string metrics_text(const std::vector<prometheus::MetricFamily>& all) {
  std::string out;
  std::string labels;
  for (const auto& family : all) {
    if (family.metric.empty())
      continue;
    const char* type = family.type == MetricType::Counter     ? " counter\n"
                       : family.type == MetricType::Gauge     ? " gauge\n"
                       : family.type == MetricType::Histogram ? " histogram\n"
                                                              : " untyped\n";
    out.append("# HELP ").append(family.name) += ' ';
    append_escaped(out, family.help, false);
    out.append("\n# TYPE ").append(family.name) += type;
    for (const auto& one : family.metric) {
      write_labels(labels, one);
      if (family.type == MetricType::Histogram)
        append_histogram(out, family.name, labels, one.histogram);
      else
        append_line(out, family.name, {}, labels,
                    family.type == MetricType::Counter ? one.counter.value : one.gauge.value);
    }
  }
  return out;
}

} // namespace vivarium
