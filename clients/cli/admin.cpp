// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/admin.hpp"

#include "clients/cli/printable.hpp"
#include "clients/cli/show.hpp"

#include <vivarium/client.hpp>

#include <algorithm>
#include <iterator>
#include <utility>

namespace vivarium::cli {

namespace {

// Of any list; there is no terminal to read more on.
constexpr std::size_t most_entries = 100'000;

template <std::size_t N>
const char* one_of(const char* const (&names)[N], std::size_t number) noexcept {
  return number < N ? names[number] : "unknown";
}

void show(const table& all, bool json) {
  if (json)
    return write_out(all.json());
  for (const auto& line : all.lines())
    write_out(line + "\n");
}

/// Something that is not a list: a line for each column.
void show_one(const table& one, const std::vector<table::cell>& row, bool json) {
  if (json)
    return write_out(one.first_as_json());
  constexpr std::size_t width = 15;
  for (std::size_t n = 0; n < row.size(); ++n) {
    std::string head{one.columns()[n].head};
    head.resize(width, ' ');
    write_out(head + text_of(row[n]) + "\n");
  }
}

/// A maximum, of which 0 is none.
table::cell most(std::uint64_t what) {
  return what == 0 ? table::cell{table::unknown{}} : table::cell{what};
}

int show_status(const admin& on, bool json) {
  const auto now = on.status();
  table one{{{"version", "version"},
             {"pid", "pid"},
             {"uptime", "up"},
             {"ready", "ready"},
             {"drained", "drained"},
             {"stopping", "stopping"},
             {"trouble", "trouble"},
             {"logLevel", "log level"},
             {"tenants", "tenants"},
             {"sessions", "sessions"},
             {"executions", "executions"},
             {"connections", "connections"},
             {"workers", "workers"},
             {"workersReady", "ready workers"}}};
  std::vector<table::cell> row{
      now.version, std::uint64_t{now.pid}, age_of(now.started), now.ready,
      now.drained, now.stopping,           now.trouble,         std::string{name_of(now.level)},
      now.tenants, now.sessions,           now.executions,      now.connections,
      now.workers, now.workers_ready};
  one.add(row);
  show_one(one, row, json);
  return exit_ok;
}

int show_tenants(const admin& on, bool json) {
  table all{{{"name", "TENANT"},
             {"sessions", "SESSIONS"},
             {"mostSessions", "MOST"},
             {"executions", "EXECUTIONS"},
             {"mostExecutions", "MOST"},
             {"connections", "CONNECTIONS"},
             {"mostConnections", "MOST"},
             {"memoryBytes", "MEMORY"},
             {"mostMemoryBytes", ""},
             {"requests", "REQUESTS"},
             {"executionsEnded", "ENDED"},
             {"executionsFailed", "FAILED"},
             {"cpuSeconds", "CPU"}}};
  for (auto& each :
       all_pages([&](const page_options& from) { return on.tenants(from); }, most_entries))
    all.add({std::move(each.name), each.sessions, each.most_sessions, each.executions,
             most(each.most_executions), each.connections, most(each.most_connections),
             table::size{each.memory_bytes}, most(each.most_memory_bytes), each.requests,
             each.executions_ended, each.executions_failed, seconds_of(each.cpu)});
  show(all, json);
  return exit_ok;
}

int show_sessions(const admin& on, const std::string& tenant, bool json) {
  table all{{{"tenant", "TENANT"},
             {"id", "SESSION"},
             {"name", "NAME"},
             {"state", "STATE"},
             {"use", "USE"},
             {"environment", "ENVIRONMENT"},
             {"age", "AGE"},
             {"running", "RUNNING"},
             {"executions", "ENDED"},
             {"cpuSeconds", "CPU"},
             {"peakMemoryBytes", "PEAK"},
             {"workerPid", "PID"}}};
  for (auto& each :
       all_pages([&](const page_options& from) { return on.sessions(from, tenant); }, most_entries))
    all.add({std::move(each.tenant), std::move(each.session.id), std::move(each.session.name),
             std::string{name_of(each.session.state)}, std::string{name_of(each.use)},
             std::move(each.session.environment), age_of(each.session.created), each.executions,
             each.session.executions, seconds_of(each.worker_cpu),
             table::size{each.session.usage.peak_memory_bytes},
             std::uint64_t{each.session.worker_pid}});
  show(all, json);
  return exit_ok;
}

int show_executions(const admin& on, const admin_order& how) {
  table all{{{"tenant", "TENANT"},
             {"id", "EXECUTION"},
             {"state", "STATE"},
             {"age", "AGE"},
             {"runningSeconds", "RUNS"},
             {"sessionId", "SESSION"},
             {"sessionName", "NAME"},
             {"pool", "POOL"},
             {"stream", "STREAM"},
             {"requestId", ""}}};
  auto read = [&](const page_options& from) { return on.executions(from, how.tenant, how.ended); };
  for (auto& each : all_pages(read, most_entries))
    all.add({std::move(each.tenant), std::move(each.id), std::string{name_of(each.state)},
             seconds_of(each.age), seconds_of(each.running), std::move(each.session_id),
             std::move(each.session_name), std::move(each.pool), each.stream,
             std::move(each.request_id)});
  show(all, how.json);
  return exit_ok;
}

int show_workers(const admin& on, bool json) {
  table all{{{"environment", "ENVIRONMENT"},
             {"group", "GROUP"},
             {"serves", "SERVES"},
             {"dormant", "DORMANT"},
             {"generation", "ZYGOTE"},
             {"zygoteAge", "AGE"},
             {"forks", "FORKS"},
             {"ready", "READY"},
             {"lent", "LENT"},
             {"coming", "COMING"},
             {"waiting", "WAITING"},
             {"trouble", "TROUBLE"}}};
  auto read = [&](const page_options& from) { return on.worker_pools(from); };
  for (auto& each : all_pages(read, most_entries))
    all.add({std::move(each.environment), std::move(each.group), each.serves, each.dormant,
             std::uint64_t{each.generation}, seconds_of(each.zygote_age), each.forks,
             std::uint64_t{each.ready}, std::uint64_t{each.lent}, std::uint64_t{each.coming},
             std::uint64_t{each.waiting}, std::move(each.trouble)});
  show(all, json);
  return exit_ok;
}

int show_pools(const admin& on, bool json) {
  table all{{{"tenant", "TENANT"},
             {"name", "POOL"},
             {"environment", "ENVIRONMENT"},
             {"sessions", "SESSIONS"},
             {"ready", "READY"},
             {"busy", "BUSY"},
             {"waiting", "WAITING"},
             {"calls", "CALLS"},
             {"replaced", "REPLACED"},
             {"trouble", "TROUBLE"}}};
  for (auto& each :
       all_pages([&](const page_options& from) { return on.pools(from); }, most_entries))
    all.add({std::move(each.tenant), std::move(each.pool.name), std::move(each.pool.environment),
             std::uint64_t{each.pool.sessions}, std::uint64_t{each.pool.ready},
             std::uint64_t{each.pool.busy}, each.pool.waiting, each.pool.calls, each.pool.replaced,
             std::move(each.pool.trouble)});
  show(all, json);
  return exit_ok;
}

int show_environments(const admin& on, bool json) {
  static constexpr const char* states[] = {"unspecified", "declared", "building", "ready",
                                           "failed"};
  table all{{{"owner", "OWNER"},
             {"name", "ENVIRONMENT"},
             {"state", "STATE"},
             {"configured", "CONFIGURED"},
             {"id", ""},
             {"python", "PYTHON"},
             {"trouble", "TROUBLE"}}};
  for (auto& each :
       all_pages([&](const page_options& from) { return on.environments(from); }, most_entries))
    all.add({std::move(each.owner), std::move(each.environment.name),
             std::string{one_of(states, static_cast<std::size_t>(each.environment.state))},
             each.environment.configured, std::move(each.environment.id),
             std::move(each.environment.python), std::move(each.environment.trouble)});
  show(all, json);
  return exit_ok;
}

/// What an order came to: a sentence, or an object.
int tell(const admin_order& how, table outcome, std::vector<table::cell> row,
         const std::string& sentence) {
  outcome.add(std::move(row));
  write_out(how.json ? outcome.first_as_json() : sentence + "\n");
  return exit_ok;
}

int drain(const admin& on, const admin_order& how) {
  const auto left = on.drain();
  return tell(how, table{{{"sessions", ""}, {"executions", ""}}}, {left.sessions, left.executions},
              "drained; " + std::to_string(left.sessions) + " sessions are left, "
                  + std::to_string(left.executions) + " executions run or wait");
}

int stop_execution(const admin& on, const admin_order& how, stop_mode mode) {
  const auto came = on.stop_execution(how.subject, mode, how.tenant);
  tell(how, table{{{"stopped", ""}, {"tenant", ""}}}, {came.stopped, came.tenant},
       std::string{came.stopped ? "stopped" : "it had ended already"} + ", of tenant "
           + printable(came.tenant));
  return came.stopped ? exit_ok : exit_python_error;
}

int end_session(const admin& on, const admin_order& how, stop_mode mode) {
  const auto tenant = on.end_session(how.subject, mode, how.tenant);
  return tell(how, table{{{"tenant", ""}}}, {tenant}, "ended, of tenant " + printable(tenant));
}

int recycle(const admin& on, const admin_order& how) {
  const auto came = on.recycle(how.subject, how.tenant);
  return tell(how, table{{{"pools", ""}, {"workers", ""}}},
              {std::uint64_t{came.pools}, std::uint64_t{came.workers}},
              std::to_string(came.pools) + " zygotes are replaced, " + std::to_string(came.workers)
                  + " workers that stood ready have been ended");
}

int reload(const admin& on, bool json) {
  static constexpr const char* effects[] = {"unspecified", "now", "new sessions", "restart"};
  table all{{{"key", "KEY"}, {"before", "BEFORE"}, {"after", "AFTER"}, {"effect", "IN FORCE"}}};
  for (auto& each : on.reload())
    all.add({std::move(each.key), std::move(each.before), std::move(each.after),
             std::string{one_of(effects, static_cast<std::size_t>(each.effect))}});
  if (all.rows() == 0 && !json)
    write_out("nothing has changed\n");
  else
    show(all, json);
  return exit_ok;
}

int log_level(const admin& on, const admin_order& how) {
  if (how.subject.empty()) {
    const auto level = on.status().level;
    return tell(how, table{{{"level", ""}}}, {std::string{name_of(level)}}, name_of(level));
  }
  for (const auto level : {daemon_log_level::debug, daemon_log_level::info, daemon_log_level::warn,
                           daemon_log_level::error})
    if (how.subject == name_of(level)) {
      const auto before = on.set_log_level(level);
      return tell(how, table{{{"level", ""}, {"previous", ""}}},
                  {how.subject, std::string{name_of(before)}},
                  how.subject + ", was " + name_of(before));
    }
  throw invalid_argument_error{"a level is debug, info, warn or error"};
}

} // namespace

const char* name_of(session_state state) noexcept {
  static constexpr const char* names[] = {"unspecified",  "starting", "ready", "busy",
                                          "interrupting", "",         "dead"};
  return one_of(names, static_cast<std::size_t>(state));
}

const char* name_of(session_use use) noexcept {
  static constexpr const char* names[] = {"unspecified", "own", "one-shot", "pool"};
  return one_of(names, static_cast<std::size_t>(use));
}

const char* name_of(execution_info::progress state) noexcept {
  static constexpr const char* names[] = {"unspecified", "queued", "running", "done"};
  return one_of(names, static_cast<std::size_t>(state));
}

const char* name_of(daemon_log_level level) noexcept {
  static constexpr const char* names[] = {"unspecified", "debug", "info", "warn", "error"};
  return one_of(names, static_cast<std::size_t>(level));
}

table::seconds age_of(std::chrono::system_clock::time_point since) {
  const std::chrono::duration<double> age = std::chrono::system_clock::now() - since;
  return {std::max(age.count(), 0.0)};
}

table::seconds seconds_of(std::chrono::microseconds what) noexcept {
  return {std::chrono::duration<double>(what).count()};
}

int admin_command(const admin_order& how) {
  const auto client = client::connect(how.server);
  const auto on = client.admin();
  if (how.what == "status")
    return show_status(on, how.json);
  if (how.what == "tenants")
    return show_tenants(on, how.json);
  if (how.what == "sessions")
    return show_sessions(on, how.tenant, how.json);
  if (how.what == "executions")
    return show_executions(on, how);
  if (how.what == "workers")
    return show_workers(on, how.json);
  if (how.what == "pools")
    return show_pools(on, how.json);
  if (how.what == "environments")
    return show_environments(on, how.json);
  if (how.what == "drain")
    return drain(on, how);
  if (how.what == "undrain") {
    on.undrain();
    return tell(how, table{{{"drained", ""}}}, {false}, "new sessions are taken again");
  }
  if (how.what == "interrupt")
    return stop_execution(on, how, stop_mode::interrupt);
  if (how.what == "close")
    return end_session(on, how, stop_mode::interrupt);
  if (how.what == "kill")
    return how.subject.starts_with("exe_") ? stop_execution(on, how, stop_mode::kill)
                                           : end_session(on, how, stop_mode::kill);
  if (how.what == "reload")
    return reload(on, how.json);
  if (how.what == "recycle")
    return recycle(on, how);
  return log_level(on, how);
}

} // namespace vivarium::cli
