// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/circuit.hpp"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <string>
#include <string_view>

namespace vivarium {

/// What /metrics shows of circuits, of what was recycled, and of heartbeats. Reactor thread.
class resilience_meters {
public:
  /// `registry` must outlive this.
  explicit resilience_meters(prometheus::Registry& registry);

  void circuit_is(const std::string& tenant, const std::string& environment, std::string_view layer,
                  circuit_state now);
  void circuit_refused(const std::string& tenant, const std::string& environment,
                       std::string_view layer);
  void recycled(const std::string& tenant, const std::string& environment, std::string_view layer,
                std::string_view cause);
  void heartbeat(std::string_view outcome);

private:
  prometheus::Family<prometheus::Gauge>& states_;
  prometheus::Family<prometheus::Counter>& opened_;
  prometheus::Family<prometheus::Counter>& refused_;
  prometheus::Family<prometheus::Counter>& recycled_;
  prometheus::Family<prometheus::Counter>& heartbeats_;
};

} // namespace vivarium
