// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/top_view.hpp"

#include "clients/cli/printable.hpp"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

namespace vivarium::cli {

namespace {

constexpr std::size_t column_counts[] = {9, 11, 7};
constexpr std::string_view keys = "t tenants  s sessions  e executions  < > sort by  r reverse  "
                                  "q quit";

double seconds_between(const top_snapshot& now, const top_snapshot& before) {
  return std::max(std::chrono::duration<double>(now.at - before.at).count(), 1e-3);
}

/// So many a second; unknown when it is not known how many there were, or the daemon is another.
class rates {
public:
  rates(const top_snapshot& now, const top_snapshot* before)
      : known_{before != nullptr && before->status.pid == now.status.pid},
        seconds_{known_ ? seconds_between(now, *before) : 1} {}

  [[nodiscard]] bool known() const noexcept { return known_; }
  [[nodiscard]] table::cell of(std::uint64_t now, std::uint64_t before) const {
    if (!known_)
      return table::unknown{};
    return static_cast<double>(now - std::min(now, before)) / seconds_;
  }
  /// Of one processor.
  [[nodiscard]] table::cell percent(std::chrono::microseconds used) const {
    if (!known_)
      return table::unknown{};
    return std::max(std::chrono::duration<double>(used).count(), 0.0) * 100 / seconds_;
  }

private:
  bool known_;
  double seconds_;
};

std::unordered_map<std::string, const session_overview*> by_id(const top_snapshot* from) {
  std::unordered_map<std::string, const session_overview*> out;
  if (from != nullptr)
    for (const auto& one : from->sessions)
      out.emplace(one.session.id, &one);
  return out;
}

std::map<std::string, const tenant_overview*> by_name(const top_snapshot* from) {
  std::map<std::string, const tenant_overview*> out;
  if (from != nullptr)
    for (const auto& one : from->tenants)
      out.emplace(one.name, &one);
  return out;
}

table tenants_of(const top_snapshot& now, const top_snapshot* before) {
  table all{{{"tenant", "TENANT"},
             {"sessions", "SESSIONS"},
             {"executions", "RUNNING"},
             {"requestsPerSecond", "REQ/S"},
             {"executionsPerSecond", "EXEC/S"},
             {"failuresPerSecond", "FAIL/S"},
             {"cpuPercent", "CPU%"},
             {"memoryBytes", "MEMORY"},
             {"requests", "REQUESTS"}}};
  const rates per_second{now, before};
  // What runs counts when it has ended, what its worker has used counts at once.
  std::map<std::string, std::chrono::microseconds> live;
  const auto sessions = by_id(before);
  for (const auto& one : now.sessions) {
    const auto was = sessions.find(one.session.id);
    live[one.tenant] +=
        one.worker_cpu
        - (was == sessions.end() ? std::chrono::microseconds{} : was->second->worker_cpu);
  }
  const auto tenants = by_name(before);
  static const tenant_overview nothing{};
  for (const auto& one : now.tenants) {
    const auto found = tenants.find(one.name);
    const auto& was = found == tenants.end() ? nothing : *found->second;
    all.add({one.name, one.sessions, one.executions, per_second.of(one.requests, was.requests),
             per_second.of(one.executions_ended, was.executions_ended),
             per_second.of(one.executions_failed, was.executions_failed),
             per_second.percent(std::max(live[one.name], one.cpu - was.cpu)),
             table::size{one.memory_bytes}, one.requests});
  }
  return all;
}

table sessions_of(const top_snapshot& now, const top_snapshot* before) {
  table all{{{"tenant", "TENANT"},
             {"session", "SESSION"},
             {"name", "NAME"},
             {"state", "STATE"},
             {"use", "USE"},
             {"environment", "ENVIRONMENT"},
             {"executions", "RUNNING"},
             {"executionsPerSecond", "EXEC/S"},
             {"cpuPercent", "CPU%"},
             {"peakMemoryBytes", "PEAK"},
             {"ageSeconds", "AGE"}}};
  const rates per_second{now, before};
  const auto sessions = by_id(before);
  static const session_overview nothing{};
  for (const auto& one : now.sessions) {
    const auto found = sessions.find(one.session.id);
    const auto& was = found == sessions.end() ? nothing : *found->second;
    all.add({one.tenant, one.session.id, one.session.name, std::string{name_of(one.session.state)},
             std::string{name_of(one.use)}, one.session.environment, one.executions,
             per_second.of(one.session.executions, was.session.executions),
             per_second.percent(one.worker_cpu - was.worker_cpu),
             table::size{one.session.usage.peak_memory_bytes}, age_of(one.session.created)});
  }
  return all;
}

table executions_of(const top_snapshot& now) {
  table all{{{"tenant", "TENANT"},
             {"execution", "EXECUTION"},
             {"state", "STATE"},
             {"ageSeconds", "AGE"},
             {"runningSeconds", "RUNS"},
             {"session", "SESSION"},
             {"name", "NAME"}}};
  for (const auto& one : now.executions)
    all.add({one.tenant, one.id, std::string{name_of(one.state)}, seconds_of(one.age),
             seconds_of(one.running), one.session_id, one.session_name});
  return all;
}

} // namespace

bool top_choice::take(char key) {
  const auto at = static_cast<std::size_t>(what);
  const auto count = column_counts[at];
  switch (key) {
    case 'q': return false;
    case 't': what = top_table::tenants; break;
    case 's': what = top_table::sessions; break;
    case 'e': what = top_table::executions; break;
    case '>': column[at] = (column[at] + 1) % count; break;
    case '<': column[at] = (column[at] + count - 1) % count; break;
    case 'r': descending[at] = !descending[at]; break;
    default: break;
  }
  return true;
}

table table_of(top_table what, const top_snapshot& now, const top_snapshot* before) {
  switch (what) {
    case top_table::sessions: return sessions_of(now, before);
    case top_table::executions: return executions_of(now);
    default: return tenants_of(now, before);
  }
}

std::vector<std::string> heading_of(const top_snapshot& now, const top_snapshot* before) {
  const auto& s = now.status;
  const auto* state = s.stopping  ? "stopping"
                      : s.drained ? "drained"
                      : s.ready   ? "ready"
                                  : "not ready";
  std::uint64_t ended = 0;
  std::uint64_t ended_before = 0;
  for (const auto& one : now.tenants)
    ended += one.executions_ended;
  if (before != nullptr)
    for (const auto& one : before->tenants)
      ended_before += one.executions_ended;
  table rate{{{"", "X"}}};
  rate.add({rates{now, before}.of(ended, ended_before)});
  std::string first =
      "vivarium " + printable(s.version) + "  " + state + "  up " + text_of(age_of(s.started));
  if (!s.trouble.empty())
    first += "  " + printable(s.trouble);
  return {first, std::to_string(s.sessions) + " sessions  " + std::to_string(s.executions)
                     + " running  " + rate.lines().back() + " executions/s  "
                     + std::to_string(s.workers_ready) + "/" + std::to_string(s.workers)
                     + " workers ready  " + std::to_string(s.connections) + " connections"};
}

std::vector<std::string> screen_of(const top_snapshot& now, const top_snapshot* before,
                                   const top_choice& choice, std::size_t height,
                                   std::size_t width) {
  const auto at = static_cast<std::size_t>(choice.what);
  auto rows = table_of(choice.what, now, before);
  rows.sort_by(choice.column[at], choice.descending[at]);
  auto lines = heading_of(now, before);
  lines.emplace_back(keys);
  lines.emplace_back();
  for (auto& line : rows.lines(rows.columns()[choice.column[at]].head))
    lines.push_back(std::move(line));
  if (lines.size() > height)
    lines.resize(height);
  for (auto& line : lines)
    line = std::string{cut_to(line, width)};
  return lines;
}

} // namespace vivarium::cli
