// SPDX-License-Identifier: Apache-2.0
#include "daemon/metrics_upkeep.hpp"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <map>

namespace vivarium {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;

namespace {

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

} // namespace

struct upkeep_metrics::families {
  prometheus::Registry registry;

  Family<Counter>& counter(const char* name, const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
  }
  Family<Gauge>& gauge(const char* name, const char* help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
  }

  Gauge& reload_good =
      gauge("vivarium_config_last_reload_successful",
            "1: the configuration could be read the last time; 0: what is in force is older.")
          .Add({});
  Gauge& reload_time = gauge("vivarium_config_last_reload_success_timestamp_seconds",
                             "When the configuration was read that is in force, since the epoch.")
                           .Add({});
  Family<Counter>& reloads =
      counter("vivarium_config_reloads_total", "Attempts to reload the configuration, by outcome.");
  Counter& reloads_done = reloads.Add({{"outcome", "ok"}});
  Counter& reloads_refused = reloads.Add({{"outcome", "refused"}});
  Gauge& waiting = gauge("vivarium_config_changes_waiting",
                         "Keys of the reloaded configuration that take a restart.")
                       .Add({});
  Family<Gauge>& expiry =
      gauge("vivarium_certificate_expiry_timestamp_seconds",
            "When the first certificate of the file that is in force expires, since the epoch.");
  std::map<std::string, Gauge*, std::less<>> expiries;
  Family<Gauge>& loaded_good = gauge(
      "vivarium_certificates_last_load_successful",
      "1: the files of certificates could be used the last time; 0: older ones are in force.");
  Family<Counter>& loads =
      counter("vivarium_certificate_loads_total", "Attempts to read certificates, by outcome.");
  Family<Counter>& jumps =
      counter("vivarium_clock_jumps_total", "How often the wall clock was set, by direction.");
  Counter& forward = jumps.Add({{"cause", "forward"}});
  Counter& back = jumps.Add({{"cause", "back"}});
};

upkeep_metrics::upkeep_metrics() : families_{std::make_unique<families>()} {
  families_->reload_good.Set(1);
  families_->reload_time.Set(seconds_now());
}

upkeep_metrics::~upkeep_metrics() = default;

void upkeep_metrics::reloaded(std::size_t waiting) {
  families_->reload_good.Set(1);
  families_->reload_time.Set(seconds_now());
  families_->reloads_done.Increment();
  families_->waiting.Set(static_cast<double>(waiting));
}

void upkeep_metrics::reload_refused() {
  families_->reload_good.Set(0);
  families_->reloads_refused.Increment();
}

void upkeep_metrics::certificates_loaded(bool could) {
  families_->loaded_good.Add({}).Set(could ? 1 : 0);
  families_->loads.Add({{"outcome", could ? "ok" : "refused"}}).Increment();
}

void upkeep_metrics::certificate_expires(std::string_view which, std::chrono::sys_seconds when) {
  auto& gauge = families_->expiry.Add({{"certificate", std::string{which}}});
  gauge.Set(static_cast<double>(when.time_since_epoch().count()));
  families_->expiries.insert_or_assign(std::string{which}, &gauge);
}

void upkeep_metrics::forget_certificates() {
  for (const auto& [name, gauge] : families_->expiries)
    families_->expiry.Remove(gauge);
  families_->expiries.clear();
}

void upkeep_metrics::clock_jumped(std::chrono::seconds by) {
  (by > by.zero() ? families_->forward : families_->back).Increment();
}

std::string upkeep_metrics::text() const {
  return prometheus::TextSerializer{}.Serialize(families_->registry.Collect());
}

} // namespace vivarium
