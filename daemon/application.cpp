// SPDX-License-Identifier: Apache-2.0
#include "daemon/application.hpp"

#include "daemon/doctor.hpp"
#include "daemon/file_route.hpp"
#include "daemon/http_broker.hpp"
#include "daemon/lifecycle.hpp"
#include "daemon/metrics_tracing.hpp"
#include "daemon/span_exporter.hpp"
#include "daemon/version.hpp"

#include <csignal>
#include <utility>

#include <unistd.h>

namespace vivarium {

namespace {

constexpr const char* usual_config = "/etc/vivarium/vivarium.toml";
constexpr std::chrono::milliseconds ready_poll{5};
// What is left of traces is sent in this time, or not at all.
constexpr std::chrono::milliseconds last_spans{2'000};
constexpr std::chrono::seconds pulse{1};

} // namespace

result<config> load(const options& chosen) {
  config out;
  auto path = chosen.config;
  if (path.empty() && ::access(usual_config, F_OK) == 0)
    path = usual_config;
  out.file = path;
  config_problems problems;
  if (!path.empty())
    problems = load_config(out, path);
  for (const auto& address : chosen.listen)
    if (auto ok = parse_address(address); !ok)
      problems.lines.push_back(ok.why().detail);
  if (!chosen.listen.empty())
    out.listen = chosen.listen;
  if (!chosen.state_dir.empty() && chosen.state_dir.front() != '/')
    problems.lines.emplace_back("--state-dir must be an absolute path");
  for (const auto& address : out.listen)
    if (address.starts_with("https://") && out.tls.certificate.empty())
      problems.lines.push_back("listen address \"" + address + "\" needs tls.cert and tls.key");
  for (const auto& address : out.listen)
    if (auto where = parse_address(address); where)
      if (auto ok = check_reach(*where, out.auth.asked()); !ok)
        problems.lines.push_back(ok.why().detail);
  if (!problems.lines.empty()) {
    std::string all;
    for (const auto& line : problems.lines)
      all += (all.empty() ? "" : "\n") + line;
    return error{errc::invalid_argument, std::move(all)};
  }
  if (auto state = state_directory(); out.core.store.path.empty() && !state.empty())
    out.core.store.path = state + "/store.db";
  auto beside = program_directory();
  if (!chosen.state_dir.empty())
    out.core.state_dir = chosen.state_dir;
  if (out.core.state_dir.empty())
    out.core.state_dir = state_directory();
  out.builds.state = out.core.state_dir;
  out.core.launcher = beside + "/vivarium-zygote";
  out.core.runtime = beside + "/../lib/vivarium";
  out.builds.tool = beside + "/../lib/vivarium-host/environment_tool.py";
  return out;
}

application::application(options chosen, config with)
    : options_{std::move(chosen)}, config_{std::move(with)}, journal_{config_.level,
                                                                      config_.format} {}

application::~application() = default;

std::vector<std::string> application::addresses(status& why) const {
  if (!config_.listen.empty())
    return config_.listen;
  std::vector<std::string> out{default_tcp_address()};
  if (auto local = default_socket_address())
    out.push_back(*std::move(local));
  else
    why = std::move(local).why();
  return out;
}

status application::open_listeners() {
  if (!config_.tls.certificate.empty()) {
    certificates_ = std::make_unique<certificates>(config_.tls, journal_, upkeep_,
                                                   [this](const certificates::context& fresh) {
                                                     tls_ = fresh;
                                                     server_->serve_with(fresh);
                                                   });
    if (auto ok = certificates_->replace(config_.tls); !ok)
      return ok;
  }
  status found = done{};
  auto all = addresses(found);
  if (!found)
    return found;
  for (const auto& text : all) {
    auto where = parse_address(text);
    if (!where)
      return std::move(where).why();
    if (auto ok = server_->listen(*where, config_.socket_mode, tls_); !ok)
      return ok;
  }
  return done{};
}

status application::open_doors() {
  auto opened = auth_->open(
      reactor_, [this] { server_->recheck(); },
      [this](const std::string& what) {
        journal_.error("trouble with the key file", {{"detail", what}});
      });
  if (!opened)
    return opened;
  for (const auto& line : warnings(config_))
    journal_.warn("the configuration may not be meant so", {{"detail", line}});
  if (auth_->asks() && config_.audit_file.empty())
    journal_.info("there is no audit log: audit.file of the configuration is not set");
  return open_listeners();
}

status application::run() {
  sandbox::prefer_other_victims();
  if (auto ok = lock_state(); !ok)
    return ok;
  auto facts = sandbox::probe_host(config_.core.cgroup);
  for (const auto& fact : facts)
    meters_.layer_state(fact.name, fact.present);
  if (auto ok = require_layers(facts, config_.allow_degraded); !ok)
    return ok;
  for (const auto& name : config_.allow_degraded) {
    meters_.layer_state(name, false); // It is left out, whether or not the machine offers it.
    journal_.warn("a layer of the sandbox is left out: the configuration accepts it",
                  {{"layer", name}});
  }
  if (!config_.audit_file.empty()) {
    auto writer = line_writer::open(config_.audit_file);
    if (!writer)
      return error{writer.why().code, "audit.file: " + writer.why().detail};
    book_.write_to(*std::move(writer));
  }
  wait_for_signals();
  meters_.trace_with(tracing_);
  meters_.show_also([this] { return tracing_metrics(tracing_); });
  if (config_.tracing.on()) {
    exporter_ = std::make_unique<span_exporter>(reactor_, tracing_, config_.tracing, journal_);
    exporter_->start();
    journal_.info("traces are sent", {{"endpoint", config_.tracing.endpoint}});
  }
  auto groups = open_cgroups();
  if (!groups)
    return groups.why();
  core_ = std::make_unique<service>(reactor_, config_.core, meters_, *std::move(groups));
  broker_ = std::make_unique<http_broker>(reactor_);
  core_->speak_http_through(*broker_);
  auth_ = std::make_unique<authenticator>(
      config_.auth, [this](const std::string& name) { return core_->knows(name); }, meters_);
  meters_.count_failures_of(*auth_);
  environments_ = std::make_unique<environment_desk>(reactor_, *core_, config_.builds,
                                                     config_.core.environments, journal_);
  environments_->open();
  if (config_.code_records)
    meters_.pass_records_to(journal_);
  admin_ = std::make_unique<admin_desk>(*core_, *environments_, journal_, meters_, meters_.uses());
  admin_->reload_by([this] { return reload(); });
  server_ = std::make_unique<server>(
      reactor_, *core_, access_rules{config_.hosts, config_.origins, config_.auth.asked()}, *auth_,
      config_.network, meters_, journal_, tracing_, *environments_, *admin_);
  ingress_ = std::make_unique<app_ingress>(*core_, *auth_, config_.core.app_domain);
  server_->add_route(*ingress_);
  server_->show_metrics(config_.metrics);
  meters_.show_also([this] { return upkeep_.text(); });
  meters_.show_also([this] { return admin_->metrics_text(); });
  files_ = std::make_unique<file_route>(
      *core_, wider(config_.core.limits, config_.core.limits_max)[limit::workspace]);
  server_->add_route(*files_);
  if (auto ok = open_doors(); ok) {
    core_->keep_from_sessions(server_->endpoints());
    server_->start();
    for (const auto& name : server_->names())
      journal_.info("listening", {{"address", name}});
    announce_when_ready();
    see_to_things();
  } else {
    outcome_ = std::move(ok);
    drain(); // What the actors have started must end in order.
  }
  core_->run();
  end_watches();
  server_.reset();
  files_.reset();
  ingress_.reset();
  environments_.reset();
  auth_.reset();
  core_.reset(); // It answers those who still wait, and the reactor runs once more.
  admin_.reset();
  broker_.reset();
  exporter_.reset();
  return std::move(outcome_);
}

// Before anything is touched that two daemons would both take for theirs.
status application::lock_state() {
  if (config_.core.state_dir.empty())
    return done{};
  auto taken = state_lock::take(config_.core.state_dir);
  if (!taken && taken.why().code == errc::already_exists)
    return std::move(taken).why();
  if (taken) {
    lock_ = *std::move(taken);
    return done{};
  }
  // Much can be done without one, and what cannot says so.
  journal_.warn("there is no state directory: no volumes are kept, no environments are built",
                {{"detail", taken.why().detail}});
  config_.core.state_dir.clear();
  config_.builds.state.clear();
  return done{};
}

// From here on nothing is there that a signal or a timer could be about.
void application::end_watches() {
  stopped_ = true;
  poll_.cancel();
  watchdog_.cancel();
  pulse_.cancel();
}

void application::see_to_things() {
  if (stopped_)
    return;
  if (auto by = clock_.look(read_clocks())) {
    upkeep_.clock_jumped(*by);
    journal_.warn("the wall clock was set: times in this log jump, and keys and certificates may "
                  "have expired or hold again; deadlines go by another clock",
                  {{"seconds", static_cast<std::int64_t>(by->count())}});
  }
  if (certificates_)
    certificates_->look();
  pulse_.expires_after(pulse);
  pulse_.async_wait([this](const boost::system::error_code& why) {
    if (!why)
      see_to_things();
  });
}

result<std::unique_ptr<sandbox::cgroup_tree>> application::open_cgroups() {
  using kind = sandbox::cgroup_choice::kind;
  const auto& choice = config_.core.cgroup;
  std::unique_ptr<sandbox::cgroup_tree> out;
  auto site = sandbox::find_cgroup(choice);
  auto opened = site.usable ? sandbox::cgroup_tree::open(site)
                            : error{errc::sandbox_unavailable, site.finding};
  meters_.layer_state("cgroup_v2", bool{opened} && site.memory);
  if (opened) {
    journal_.info("control groups", {{"folder", opened->folder()},
                                     {"memory", site.memory ? "enforced" : "advisory"},
                                     {"reclaimed", std::to_string(opened->reclaimed())}});
    out = std::make_unique<sandbox::cgroup_tree>(*std::move(opened));
  } else if (choice.what == kind::required || choice.what == kind::path) {
    return error{errc::sandbox_unavailable,
                 "sandbox.cgroup asks for control groups: " + opened.why().detail};
  } else if (choice.what == kind::automatic) {
    journal_.warn("no control groups: the memory limit is advisory against a determined attacker",
                  {{"detail", opened.why().detail}});
  }
  for (const auto& [name, may] : config_.core.tenants)
    if (!out && (may.group_memory > 0 || may.group_pids > 0))
      journal_.warn("group_memory and group_pids of a tenant do nothing without control groups",
                    {{"tenant", name}});
  return out;
}

void application::announce_when_ready() {
  if (draining_)
    return;
  if (core_->hopeless()) {
    // Whoever starts the daemon shall see that now, and not wonder why it is never ready.
    outcome_ = error{errc::sandbox_unavailable, core_->trouble()};
    drain();
    return;
  }
  if (!core_->ready()) {
    poll_.expires_after(ready_poll);
    poll_.async_wait([this](const boost::system::error_code& why) {
      if (!why && !stopped_)
        announce_when_ready();
    });
    return;
  }
  journal_.info("ready", {{"version", version}});
  if (!options_.port_file.empty())
    if (auto ok = write_port_file(options_.port_file, server_->port()); !ok)
      journal_.error("cannot write the port file", {{"detail", ok.why().detail}});
  notify_manager("READY=1");
  if (auto timeout = watchdog_timeout())
    say_alive(*timeout / 3);
}

// From the thread that does everything: while it is stuck nobody is told that it lives.
void application::say_alive(std::chrono::microseconds every) {
  notify_manager("WATCHDOG=1");
  watchdog_.expires_after(every);
  watchdog_.async_wait([this, every](const boost::system::error_code& why) {
    if (!why && !stopped_)
      say_alive(every);
  });
}

void application::wait_for_signals() {
  boost::system::error_code ignored;
  for (int number : {SIGTERM, SIGINT, SIGHUP})
    if (number != SIGHUP || !draining_)
      signals_.add(number, ignored);
  signals_.async_wait([this](const boost::system::error_code& why, int number) {
    if (why || stopped_)
      return;
    on_signal(number);
  });
}

void application::on_signal(int number) {
  if (number == SIGHUP) {
    (void)reload();
  } else if (draining_) {
    journal_.warn("second signal: ending at once");
    ::_exit(1);
  } else {
    drain();
  }
  wait_for_signals();
}

void application::stop() {
  journal_.info("stopped");
  reactor_.stop();
}

void application::drain() {
  draining_ = true;
  // A reload that comes from now on is too late, and no reason to fail; removing it brings its
  // default back.
  sigset_t late;
  ::sigemptyset(&late);
  ::sigaddset(&late, SIGHUP);
  ::pthread_sigmask(SIG_BLOCK, &late, nullptr);
  boost::system::error_code ignored;
  signals_.remove(SIGHUP, ignored);
  std::signal(SIGHUP, SIG_IGN);
  journal_.info("draining");
  notify_manager("STOPPING=1");
  admin_->stopping();
  server_->begin_drain();
  core_->drain(clock_type::now() + config_.drain_timeout, [this] {
    server_->finish([this] {
      if (exporter_)
        exporter_->finish(last_spans, [this] { stop(); });
      else
        stop();
    });
  });
}

} // namespace vivarium
