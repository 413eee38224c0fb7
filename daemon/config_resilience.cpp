// SPDX-License-Identifier: Apache-2.0
#include "daemon/config_resilience.hpp"

namespace vivarium {

namespace {

constexpr std::int64_t second = 1'000;
constexpr std::int64_t hour = 3'600 * second;

} // namespace

void read_breaker(table_reader in, config& into) {
  auto& breaker = into.core.breaker;
  in.take_count("failures", breaker.failures, {0, 1'000});
  in.take_duration("open", breaker.open, {100, hour});
  in.take_count("probes", breaker.probes, {1, 100});
  in.finish();
}

void read_heartbeats(table_reader in, config& into) {
  auto& beats = into.core.heartbeats;
  in.take_duration("interval", beats.interval, {0, hour});
  if (beats.interval.count() > 0 && beats.interval.count() < 100)
    in.complain("interval", "must be at least 100 ms, or 0 for no heartbeats");
  in.take_duration("timeout", beats.timeout, {100, hour});
  in.take_count("missed", beats.missed, {1, 100});
  in.finish();
}

} // namespace vivarium
