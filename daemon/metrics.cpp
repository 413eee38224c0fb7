// SPDX-License-Identifier: Apache-2.0
#include "daemon/metrics.hpp"

#include "daemon/code_record.hpp"
#include "daemon/http_response.hpp"
#include "daemon/label_cache.hpp"
#include "daemon/metrics_resilience.hpp"
#include "daemon/metrics_text.hpp"
#include "daemon/process_stats.hpp"
#include "daemon/tracer.hpp"
#include "daemon/version.hpp"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <map>
#include <vector>

namespace vivarium {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;

namespace {

const Histogram::BucketBoundaries& seconds_buckets() {
  static const Histogram::BucketBoundaries bounds{
      10e-6, 25e-6,  50e-6,  100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3,
      50e-3, 100e-3, 250e-3, 500e-3, 1.0,    2.5,    5.0,  10.0,   30.0, 60.0,  120.0};
  return bounds;
}

template <class Duration>
double seconds_of(Duration d) {
  return std::chrono::duration<double>(d).count();
}

struct ended_execution {
  Counter* count = nullptr;
  Histogram* wall = nullptr;
  Counter* cpu = nullptr;
  Counter* output = nullptr;
  Counter* stopped = nullptr;
};

struct session_pool_meters {
  Gauge* ready = nullptr;
  Gauge* busy = nullptr;
  Gauge* waiting = nullptr;
  Counter* replaced = nullptr;
  Histogram* waited = nullptr;
};

prometheus::Labels labels_of(const session_pool_label& pool);

} // namespace

struct metrics::families {
  prometheus::Registry registry;

  Family<Counter>& counter(const char* name, const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
  }
  Family<Gauge>& gauge(const char* name, const char* help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
  }
  Family<Histogram>& histogram(const char* name, const char* help) {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
  }

  Family<Counter>& executions =
      counter("vivarium_executions_total", "Executions that ended, by outcome.");
  Family<Histogram>& execution_wall = histogram(
      "vivarium_execution_duration_seconds", "From the submission of an execution to its verdict.");
  Family<Counter>& execution_cpu =
      counter("vivarium_execution_cpu_seconds_total", "CPU time that executions used.");
  Family<Counter>& execution_output =
      counter("vivarium_execution_output_bytes_total", "Bytes that executions wrote.");
  Family<Counter>& stopped =
      counter("vivarium_executions_stopped_total", "Executions that something stopped, by cause.");
  Family<Counter>& detached =
      counter("vivarium_detached_failures_total",
              "Executions that failed and that nobody was going to ask for, by outcome.");
  Family<Gauge>& sessions = gauge("vivarium_sessions", "Live sessions.");
  Family<Counter>& sessions_opened =
      counter("vivarium_sessions_opened_total", "Sessions that became ready.");
  Family<Histogram>& session_start =
      histogram("vivarium_session_start_duration_seconds", "Until a session was ready.");
  Family<Counter>& sessions_closed =
      counter("vivarium_sessions_closed_total", "Sessions that ended, by cause.");
  Family<Counter>& host_calls =
      counter("vivarium_host_calls_total", "Calls of code to the application, by outcome.");
  Family<Histogram>& host_call_latency =
      histogram("vivarium_host_call_duration_seconds",
                "From a call of code to the application to the end of the wait.");
  Family<Counter>& log_records = counter("vivarium_log_records_total",
                                         "Records that code handed to the daemon's log handler.");
  Family<Counter>& pool_asked = counter("vivarium_pool_requests_total",
                                        "Requests for a worker; outcome hit: one stood ready.");
  Family<Gauge>& pool_ready = gauge("vivarium_pool_workers_ready", "Workers that stand ready.");
  Family<Gauge>& pool_live = gauge("vivarium_pool_workers", "Workers that live.");
  Family<Histogram>& worker_start = histogram("vivarium_worker_start_duration_seconds",
                                              "From the order of a worker to its first word.");
  Family<Counter>& workers_refused =
      counter("vivarium_workers_refused_total", "Workers that could not be made or attested.");
  Family<Counter>& denied =
      counter("vivarium_denied_calls_total", "System calls that the sandbox refused, by name.");
  Family<Counter>& limits_reached =
      counter("vivarium_limits_reached_total",
              "Limits that sessions met, by name: what was stopped, cut, dropped or refused.");
  Histogram& memory_poll = histogram("vivarium_memory_poll_duration_seconds",
                                     "One round of looks at the memory of workers.")
                               .Add({}, seconds_buckets());
  Family<Histogram>& capability_calls =
      histogram("vivarium_capability_call_seconds",
                "Calls of code to the store and to databases, by method and outcome.");
  Family<Counter>& http_requests = counter("vivarium_http_rule_requests_total",
                                           "Requests of sessions under HTTP rules, by outcome.");
  Family<Counter>& egress = counter("vivarium_egress_connections_total",
                                    "Attempts of sessions to connect to the outside, by outcome.");
  Family<Counter>& egress_sent = counter("vivarium_egress_sent_bytes_total",
                                         "Bytes that sessions have sent over connections.");
  Family<Counter>& egress_received = counter("vivarium_egress_received_bytes_total",
                                             "Bytes that sessions have received over connections.");
  Family<Counter>& zygotes = counter("vivarium_zygotes_started_total", "Zygotes started.");
  Family<Counter>& jails = counter("vivarium_jails_restarted_total", "Jails started again.");
  Family<Counter>& actors =
      counter("vivarium_actors_restarted_total", "Actors restarted by their supervisor.");
  Family<Counter>& calls =
      counter("vivarium_requests_total", "Calls of the API's methods, by outcome.");
  Family<Histogram>& call_seconds =
      histogram("vivarium_request_duration_seconds", "From a call of the API to its answer.");
  Family<Counter>& responses =
      counter("vivarium_http_responses_total", "HTTP responses; outcome is the status.");
  Family<Gauge>& layers =
      gauge("vivarium_sandbox_layer_active", "1: the layer of the sandbox is in force.");

  Family<Counter>& audited =
      counter("vivarium_audit_events_total", "Events for the audit log, by name.");
  Family<Counter>& unaudited = counter(
      "vivarium_audit_events_dropped_total",
      "Events the audit log left out. cause rate: over the rate of their kind; full: the writer "
      "could not keep up or failed.");
  Counter& audit_over_rate = unaudited.Add({{"cause", "rate"}});
  Counter& audit_lost = unaudited.Add({{"cause", "full"}});

  Family<Counter>& quota_refusals =
      counter("vivarium_quota_refusals_total", "What was refused for a tenant's quota, by quota.");
  Family<Counter>& tenant_cpu = counter(
      "vivarium_tenant_cpu_seconds_total",
      "CPU time of a tenant's workers, of their zygotes, and its part of the daemon's; where "
      "there are several tenants.");
  Family<Gauge>& behind =
      gauge("vivarium_tenant_behind",
            "1: it uses more than its part of the CPU and stands behind others.");
  Family<Counter>& put_behind = counter("vivarium_tenant_put_behind_total",
                                        "How often a tenant was put behind others for the CPU.");
  Family<Counter>& session_pool_calls = counter("vivarium_session_pool_calls_total",
                                                "Calls of session pools, by what became of them.");
  Family<Gauge>& session_pool_ready =
      gauge("vivarium_session_pool_sessions", "Sessions of session pools that can run something.");
  Family<Gauge>& session_pool_busy =
      gauge("vivarium_session_pool_sessions_busy", "Sessions of session pools that run something.");
  Family<Gauge>& session_pool_waiting =
      gauge("vivarium_session_pool_waiting", "Calls that wait for a session of a pool.");
  Family<Counter>& session_pool_replaced =
      counter("vivarium_session_pool_replaced_total",
              "Sessions of session pools that ended by themselves and were replaced.");
  Family<Histogram>& session_pool_wait = histogram("vivarium_session_pool_wait_duration_seconds",
                                                   "From a call of a pool until it had a session.");
  Family<Counter>& messages =
      counter("vivarium_messages_total", "Messages between sessions and clients, by outcome.");
  Family<Counter>& app_requests =
      counter("vivarium_app_requests_total", "Requests to web applications, by outcome.");
  Family<Histogram>& app_request_latency =
      histogram("vivarium_app_request_duration_seconds",
                "From a request to a web application until it has ended.");
  Family<Counter>& auth_failures =
      counter("vivarium_auth_failures_total", "Requests that were not let in, by reason.");
  Gauge& auth_keys = gauge("vivarium_auth_keys", "API keys in the key file.").Add({});
  std::array<Counter*, auth_failure_count> failure_of{};

  Gauge& connections = gauge("vivarium_connections", "Open client connections.").Add({});
  Counter& connections_opened =
      counter("vivarium_connections_opened_total", "Client connections accepted.").Add({});
  Counter& connections_refused =
      counter("vivarium_connections_refused_total", "Client connections over the limit.").Add({});
  Counter& accept_failures =
      counter("vivarium_accept_failures_total", "Attempts to accept a connection that failed.")
          .Add({});
  Counter& received =
      counter("vivarium_received_bytes_total", "Bytes received from clients.").Add({});
  Counter& sent = counter("vivarium_sent_bytes_total", "Bytes sent to clients.").Add({});

  Gauge& resident =
      gauge("process_resident_memory_bytes", "Resident memory of the daemon.").Add({});
  Gauge& virtual_memory =
      gauge("process_virtual_memory_bytes", "Virtual memory of the daemon.").Add({});
  Counter& cpu = counter("process_cpu_seconds_total", "CPU time of the daemon.").Add({});
  Gauge& fds = gauge("process_open_fds", "Open descriptors of the daemon.").Add({});
  Gauge& max_fds = gauge("process_max_fds", "Limit of open descriptors.").Add({});
  Gauge& started =
      gauge("process_start_time_seconds", "When the daemon started, since the epoch.").Add({});

  label_cache<4, ended_execution> execution_cache;
  std::array<Counter*, audit_event_count> audit_cache{};
  label_cache<3, Counter*> pool_cache;
  label_cache<2, Counter*> quota_cache;
  label_cache<2, std::pair<Counter*, Histogram*>> host_cache;
  label_cache<2, std::pair<Counter*, Histogram*>> app_cache;
  label_cache<1, Counter*> record_cache;
  label_cache<2, Counter*> message_cache;
  label_cache<3, Counter*> session_pool_cache;
  label_cache<2, session_pool_meters> session_pool_levels;

  session_pool_meters& session_pool_of(const session_pool_label& pool) {
    return session_pool_levels.find({pool.tenant, pool.name}, [&] {
      auto labels = labels_of(pool);
      return session_pool_meters{&session_pool_ready.Add(labels), &session_pool_busy.Add(labels),
                                 &session_pool_waiting.Add(labels),
                                 &session_pool_replaced.Add(labels),
                                 &session_pool_wait.Add(labels, seconds_buckets())};
    });
  }
  label_cache<2, std::pair<Gauge*, Histogram*>> session_cache;
  std::array<label_cache<1, Counter*>, rpc::method_count> call_cache;
  std::array<Histogram*, rpc::method_count> call_latency{};
  std::map<std::pair<http_verb, int>, Counter*> response_cache;
};

metrics::metrics(audit_log& book)
    : families_{std::make_unique<families>()},
      resilience_{std::make_unique<resilience_meters>(families_->registry)}, book_{book} {
  auto& f = *families_;
  f.gauge("vivarium_build_info", "Always 1; the label tells the version.")
      .Add({{"version", std::string{version}}})
      .Set(1);
  for (std::size_t i = 0; i < rpc::method_count; ++i)
    f.call_latency[i] = &f.call_seconds.Add(
        {{"method", std::string{rpc::info_of(static_cast<rpc::method>(i)).name}}},
        seconds_buckets());
}

metrics::~metrics() = default;

void metrics::count_failures_of(const authenticator& auth) {
  auth_ = &auth;
  for (std::size_t i = 0; i < auth_failure_count; ++i)
    families_->failure_of[i] = &families_->auth_failures.Add(
        {{"cause", std::string{name_of(static_cast<auth_failure>(i))}}});
}

void metrics::execution_ended(const std::string& tenant, const std::string& environment,
                              const std::string& outcome, const std::string& cause,
                              const usage& used) {
  uses_.add(tenant, outcome != "ok", used.cpu);
  auto& f = *families_;
  auto& to = f.execution_cache.find({tenant, environment, outcome, cause}, [&] {
    prometheus::Labels who{{"tenant", tenant}, {"environment", environment}};
    ended_execution made;
    made.wall = &f.execution_wall.Add(who, seconds_buckets());
    made.cpu = &f.execution_cpu.Add(who);
    made.output = &f.execution_output.Add(who);
    auto how = who;
    how["outcome"] = outcome;
    made.count = &f.executions.Add(how);
    if (!cause.empty()) {
      who["cause"] = cause;
      made.stopped = &f.stopped.Add(who);
    }
    return made;
  });
  to.count->Increment();
  to.wall->Observe(seconds_of(used.wall));
  to.cpu->Increment(seconds_of(used.cpu));
  to.output->Increment(static_cast<double>(used.output_bytes));
  if (to.stopped != nullptr)
    to.stopped->Increment();
}

void metrics::detached_failed(const std::string& tenant, const std::string& environment,
                              const std::string& outcome) {
  families_->detached.Add({{"tenant", tenant}, {"environment", environment}, {"outcome", outcome}})
      .Increment();
}

void metrics::session_opened(const std::string& tenant, const std::string& environment,
                             std::chrono::microseconds took) {
  auto& f = *families_;
  prometheus::Labels who{{"tenant", tenant}, {"environment", environment}};
  auto& to = f.session_cache.find({tenant, environment}, [&] {
    return std::pair{&f.sessions.Add(who), &f.session_start.Add(who, seconds_buckets())};
  });
  to.first->Increment();
  to.second->Observe(seconds_of(took));
  f.sessions_opened.Add(who).Increment();
}

void metrics::session_closed(const std::string& tenant, const std::string& environment,
                             const std::string& cause) {
  prometheus::Labels who{{"tenant", tenant}, {"environment", environment}};
  families_->sessions.Add(who).Decrement();
  who["cause"] = cause;
  families_->sessions_closed.Add(who).Increment();
}

void metrics::pool_asked(const std::string& environment, const std::string& group, bool hit) {
  std::string_view outcome = hit ? "hit" : "miss";
  families_->pool_cache
      .find({group, environment, outcome},
            [&] {
              return &families_->pool_asked.Add({{"tenant", group},
                                                 {"environment", environment},
                                                 {"outcome", std::string{outcome}}});
            })
      ->Increment();
}

void metrics::pool_level(const std::string& environment, const std::string& group,
                         std::size_t ready, std::size_t live) {
  families_->pool_ready.Add({{"tenant", group}, {"environment", environment}})
      .Set(static_cast<double>(ready));
  families_->pool_live.Add({{"tenant", group}, {"environment", environment}})
      .Set(static_cast<double>(live));
}

void metrics::worker_made(const std::string& environment, const std::string& group,
                          std::chrono::microseconds took) {
  families_->worker_start.Add({{"tenant", group}, {"environment", environment}}, seconds_buckets())
      .Observe(seconds_of(took));
}

void metrics::worker_refused(const std::string& environment, const std::string& group,
                             const std::string& step) {
  families_->workers_refused.Add({{"tenant", group}, {"environment", environment}, {"cause", step}})
      .Increment();
}

void metrics::zygote_started(const std::string& environment, const std::string& group) {
  families_->zygotes.Add({{"tenant", group}, {"environment", environment}}).Increment();
}

void metrics::jail_restarted(const std::string& environment, const std::string& group) {
  families_->jails.Add({{"tenant", group}, {"environment", environment}}).Increment();
}

void metrics::call_denied(const std::string& environment, const std::string& call) {
  families_->denied.Add({{"environment", environment}, {"method", call}}).Increment();
}

void metrics::limit_reached(const std::string& tenant, const std::string& environment,
                            const std::string& which) {
  families_->limits_reached
      .Add({{"tenant", tenant}, {"environment", environment}, {"cause", which}})
      .Increment();
}

void metrics::memory_polled(std::chrono::microseconds took) {
  families_->memory_poll.Observe(seconds_of(took));
}

void metrics::egress_ended(const std::string& tenant, const std::string& environment,
                           const std::string& outcome) {
  families_->egress.Add({{"tenant", tenant}, {"environment", environment}, {"outcome", outcome}})
      .Increment();
}

void metrics::egress_bytes(const std::string& tenant, const std::string& environment,
                           std::uint64_t sent, std::uint64_t received) {
  prometheus::Labels who{{"tenant", tenant}, {"environment", environment}};
  families_->egress_sent.Add(who).Increment(static_cast<double>(sent));
  families_->egress_received.Add(who).Increment(static_cast<double>(received));
}

void metrics::quota_refused(const std::string& tenant, std::string_view quota) {
  families_->quota_cache
      .find({tenant, quota},
            [&] {
              return &families_->quota_refusals.Add(
                  {{"tenant", tenant}, {"cause", std::string{quota}}});
            })
      ->Increment();
}

void metrics::tenant_stands(const std::string& tenant, bool behind) {
  families_->behind.Add({{"tenant", tenant}}).Set(behind ? 1 : 0);
  if (behind)
    families_->put_behind.Add({{"tenant", tenant}}).Increment();
}

void metrics::cpu_used(const std::string& tenant, std::chrono::microseconds more) {
  families_->tenant_cpu.Add({{"tenant", tenant}}).Increment(seconds_of(more));
}

void metrics::host_called(const std::string& tenant, const std::string&, const std::string& outcome,
                          std::chrono::microseconds took) {
  auto& [count, latency] = families_->host_cache.find({tenant, outcome}, [&] {
    prometheus::Labels who{{"tenant", tenant}, {"outcome", outcome}};
    return std::pair{&families_->host_calls.Add(who),
                     &families_->host_call_latency.Add(who, seconds_buckets())};
  });
  count->Increment();
  if (took.count() > 0) // A cast has nothing to wait for.
    latency->Observe(seconds_of(took));
}

void metrics::capability_used(const std::string& tenant, const std::string&,
                              std::string_view method, std::string_view outcome,
                              std::chrono::microseconds took) {
  families_->capability_calls
      .Add({{"tenant", tenant}, {"method", std::string{method}}, {"outcome", std::string{outcome}}},
           seconds_buckets())
      .Observe(seconds_of(took));
}

void metrics::http_brokered(const std::string& tenant, const std::string& environment,
                            std::string_view outcome) {
  families_->http_requests
      .Add({{"tenant", tenant}, {"environment", environment}, {"outcome", std::string{outcome}}})
      .Increment();
}

void metrics::code_logged(const std::string& tenant, const std::string& session,
                          std::string_view request_id, std::string_view record) {
  families_->record_cache
      .find({tenant},
            [&] {
              return &families_->log_records.Add({{"tenant", tenant}});
            })
      ->Increment();
  if (records_ != nullptr)
    log_code_record(*records_, tenant, session, request_id, record);
}

namespace {

// The label is there for pools of the configuration only: the names of others are a tenant's.
prometheus::Labels labels_of(const session_pool_label& pool) {
  prometheus::Labels out{{"tenant", pool.tenant}};
  if (!pool.name.empty())
    out["pool"] = pool.name;
  return out;
}

} // namespace

void metrics::session_pool_call(const session_pool_label& pool, std::string_view outcome) {
  families_->session_pool_cache
      .find({pool.tenant, pool.name, outcome},
            [&] {
              auto labels = labels_of(pool);
              labels["outcome"] = outcome;
              return &families_->session_pool_calls.Add(labels);
            })
      ->Increment();
}

void metrics::session_pool_waited(const session_pool_label& pool, std::chrono::microseconds took) {
  families_->session_pool_of(pool).waited->Observe(seconds_of(took));
}

void metrics::session_pool_level(const session_pool_label& pool, std::int64_t ready,
                                 std::int64_t busy, std::int64_t waiting) {
  auto& to = families_->session_pool_of(pool);
  to.ready->Increment(static_cast<double>(ready));
  to.busy->Increment(static_cast<double>(busy));
  to.waiting->Increment(static_cast<double>(waiting));
}

void metrics::session_pool_replaced(const session_pool_label& pool) {
  families_->session_pool_of(pool).replaced->Increment();
}

void metrics::app_request_ended(const std::string& tenant, std::string_view outcome,
                                std::chrono::microseconds took) {
  auto& [count, latency] = families_->app_cache.find({tenant, outcome}, [&] {
    prometheus::Labels who{{"tenant", tenant}, {"outcome", std::string{outcome}}};
    return std::pair{&families_->app_requests.Add(who),
                     &families_->app_request_latency.Add(who, seconds_buckets())};
  });
  count->Increment();
  if (took.count() > 0) // One that was refused took nothing.
    latency->Observe(seconds_of(took));
}

void metrics::message_ended(const std::string& tenant, std::string_view outcome,
                            std::uint64_t count) {
  families_->message_cache
      .find({tenant, outcome},
            [&] {
              return &families_->messages.Add(
                  {{"tenant", tenant}, {"outcome", std::string{outcome}}});
            })
      ->Increment(static_cast<double>(count));
}

void metrics::actor_restarted(const std::string& kind) {
  families_->actors.Add({{"cause", kind}}).Increment();
}

void metrics::audit(audit_event what, const audit_subject& who, audit_fields with) {
  auto*& count = families_->audit_cache[static_cast<std::size_t>(what)];
  if (count == nullptr)
    count = &families_->audited.Add({{"cause", std::string{name_of(what)}}});
  count->Increment();
  book_.audit(what, who, with);
}

void metrics::call_ended(rpc::method what, std::string_view code, clock_type::duration took) {
  auto& f = *families_;
  auto index = static_cast<std::size_t>(what);
  f.call_cache[index]
      .find({code},
            [&] {
              return &f.calls.Add({{"method", std::string{rpc::info_of(what).name}},
                                   {"outcome", std::string{code}}});
            })
      ->Increment();
  f.call_latency[index]->Observe(seconds_of(took));
}

void metrics::responded(http_verb verb, int status) {
  // Applications make statuses up, and each would be a series of its own.
  if (reason_of(status) == reason_of(0))
    status = 0;
  auto& to = families_->response_cache[{verb, status}];
  if (to == nullptr)
    to = &families_->responses.Add(
        {{"method", std::string{name_of(verb)}},
         {"outcome", status == 0 ? std::string{"other"} : std::to_string(status)}});
  to->Increment();
}

void metrics::traced(const trace_place& at, const span_facts& what, audit_fields with) {
  if (tracer_ != nullptr)
    tracer_->tell(at, what, with);
}

void metrics::connection_opened() {
  families_->connections.Increment();
  families_->connections_opened.Increment();
}

void metrics::connection_closed() {
  families_->connections.Decrement();
}

void metrics::connection_refused() {
  families_->connections_refused.Increment();
}

void metrics::accept_failed() {
  families_->accept_failures.Increment();
}

void metrics::layer_state(const std::string& layer, bool present) {
  families_->layers.Add({{"layer", layer}}).Set(present ? 1 : 0);
}

std::function<std::string()> metrics::reading() {
  auto& f = *families_;
  auto raise = [](Counter& counter, double to) {
    if (to > counter.Value())
      counter.Increment(to - counter.Value());
  };
  raise(f.received, static_cast<double>(bytes_.received));
  raise(f.sent, static_cast<double>(bytes_.sent));
  raise(f.audit_over_rate, static_cast<double>(book_.over_rate()));
  raise(f.audit_lost, static_cast<double>(book_.lost()));
  if (auth_ != nullptr) {
    f.auth_keys.Set(static_cast<double>(auth_->key_count()));
    for (std::size_t i = 0; i < auth_failure_count; ++i)
      raise(*f.failure_of[i], static_cast<double>(auth_->failures(static_cast<auth_failure>(i))));
  }
  auto own = read_process_stats();
  f.resident.Set(static_cast<double>(own.resident_bytes));
  f.virtual_memory.Set(static_cast<double>(own.virtual_bytes));
  f.fds.Set(static_cast<double>(own.open_fds));
  f.max_fds.Set(static_cast<double>(own.max_fds));
  f.started.Set(own.start_time);
  raise(f.cpu, own.cpu_seconds);
  std::string more;
  for (const auto& part : parts_)
    more += part();
  return [&registry = f.registry, more = std::move(more)] {
    return metrics_text(registry.Collect()) + more;
  };
}

} // namespace vivarium
