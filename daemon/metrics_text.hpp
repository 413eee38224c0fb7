// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <vector>

namespace vivarium {

/// Returns Prometheus' text format 0.0.4 of counters, gauges and histograms. Pure computing: a
/// daemon with a thousand tenants has a hundred thousand lines to show.
[[nodiscard]] std::string metrics_text(const std::vector<prometheus::MetricFamily>& all);

} // namespace vivarium
