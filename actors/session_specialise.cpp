// SPDX-License-Identifier: Apache-2.0

// The part of a session that gives a worker, which comes with the limits of all, those of its
// session: from outside, before its first tenant byte.

#include "actors/session_core.hpp"
#include "sandbox/attest.hpp"
#include "sandbox/cgroup_tree.hpp"
#include "sandbox/tighten.hpp"

#include <algorithm>
#include <csignal>
#include <system_error>
#include <utility>

#include <sys/wait.h>

namespace vivarium {

namespace {

// With a control group, the group's peak is the truth. A session's group may hold children as well.
sandbox::cgroup_limits group_of(const session_limits& limits,
                                std::optional<std::uint32_t> cpu_percent) {
  sandbox::cgroup_limits out;
  out.memory_bytes = sandbox::group_memory(limits[limit::memory], limits[limit::workspace]);
  out.pids = limits[limit::threads];
  out.cpu_percent = cpu_percent;
  return out;
}

// Whom the kernel refuses memory gets an exception, and is not to be killed on the way there. What
// its limits on data do not count: the main stack, page tables, and the part of the fork's data
// that it had not touched when it was looked at first.
std::uint64_t tolerated_above(std::uint64_t memory, const worker& of) {
  constexpr std::uint64_t stack_and_tables = 16ull << 20;
  const auto& born = of.born_with();
  auto touched = born.resident - std::min(born.resident, born.files);
  return memory / 8 + stack_and_tables + of.size().data - std::min(of.size().data, touched);
}

} // namespace

void session_core::specialise() {
  auto wanted = kernel_limits(limits_);
  const auto& sealed = config_.sealed;
  auto like_sealed = wanted;
  like_sealed.workspace_bytes = sealed.workspace_bytes;
  like_sealed.workspace_inodes = sealed.workspace_inodes;
  if (like_sealed != sealed && !config_.without.contains(sandbox::layer::rlimits))
    if (auto ok = sandbox::tighten_worker(worker_->host_pid(), worker_->listener_fd(),
                                          worker_->size(), wanted);
        !ok)
      return cannot_specialise(ok.why());
  watch_worker();
  specialising_ = 1;
  if (wanted.workspace_bytes != sealed.workspace_bytes
      || wanted.workspace_inodes != sealed.workspace_inodes) {
    ++specialising_;
    ports_.resize(worker_number_, wanted.workspace_bytes, wanted.workspace_inodes);
  }
  if (ports_.enter_cgroup) {
    ++specialising_;
    ports_.enter_cgroup(info_.id, group_of(limits_, config_.session_cpu_percent),
                        worker_->host_pid());
  }
  specialised();
}

void session_core::specialised() {
  if (info_.state == session_state::starting && --specialising_ == 0)
    furnish();
}

void session_core::cannot_specialise(const error& why) {
  specialising_ = 0;
  start_error_ = error{errc::unavailable, "the limits could not be set: " + why.detail};
  kill_for(
      cause{.what = "unavailable", .limit = start_error_->detail, .enforced_by = enforcer::daemon});
}

void session_core::on_late_start() {
  error why{errc::unavailable, "no worker became ready in time"};
  if (worker_)
    return cannot_specialise(why);
  starved_ = true;
  on_refused(why);
}

void session_core::on_resized(int errno_value) {
  if (info_.state != session_state::starting || specialising_ == 0)
    return;
  if (errno_value != 0)
    return cannot_specialise(os_error("resize", "the workspace", errno_value));
  specialised();
}

void session_core::on_placed(const std::string& folder, const error& why) {
  if (info_.state != session_state::starting || specialising_ == 0) {
    if (!folder.empty())
      ports_.leave_cgroup(folder);
    return;
  }
  if (folder.empty())
    return cannot_specialise(why);
  cgroup_ = folder;
  specialised();
}

void session_core::watch_worker() {
  watched_ = std::make_shared<watched_worker>();
  watched_->pid = worker_->host_pid();
  watched_->born_with = worker_->born_with().taken();
  watched_->memory_limit = limits_[limit::memory];
  watched_->tolerated = tolerated_above(limits_[limit::memory], *worker_);
  if (auto most = limits_[limit::cpu]; most != no_limit)
    watched_->cpu = std::chrono::milliseconds{most};
  watched_->busy = true;
  if (share_)
    share_->counted_by(watched_);
  ports_.watch(watched_);
  if (!ports_.beat)
    return;
  pulse_ = std::make_shared<pulse>();
  pulse_->of = this;
  ports_.beat(pulse_);
}

// From its first process on, what a session uses is what all of them use.
void session_core::watch_family() {
  if (!watched_ || watched_->family)
    return;
  watched_->family = std::make_shared<sandbox::family>(worker_->host_pid());
  watched_->family->counted_by(cgroup_);
}

std::optional<std::chrono::microseconds> session_core::cpu_used() const {
  if (!worker_)
    return std::nullopt;
  return watched_ ? cpu_used_by(*watched_) : sandbox::cpu_time_of(worker_->host_pid());
}

void session_core::on_beyond(const cause& why) {
  if (info_.state != session_state::dead && worker_)
    kill_for(why);
}

cause session_core::cause_of_end(const worker_end& end) const {
  auto out = cause_of(end);
  if (cgroup_.empty() || !end.known || !WIFSIGNALED(end.wait_status)
      || WTERMSIG(end.wait_status) != SIGKILL)
    return out;
  auto seen = sandbox::cgroup_tree::read(cgroup_);
  if (seen.oom_kills == 0)
    return out;
  auto may = config_.tenants.find(tenant_);
  if (seen.ooms == 0 && may != config_.tenants.end() && may->second.group_memory > 0) {
    // Its tenant's group was full, and it took most of it.
    auto all = sandbox::cgroup_tree::read(cgroup_.substr(0, cgroup_.rfind('/')));
    return cause{"memory", "group_memory", may->second.group_memory, all.peak_bytes,
                 enforcer::kernel};
  }
  return cause{"memory", "memory_bytes", limits_[limit::memory], seen.peak_bytes, enforcer::kernel};
}

} // namespace vivarium
