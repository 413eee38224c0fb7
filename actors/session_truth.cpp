// SPDX-License-Identifier: Apache-2.0

// The part of a session that tells whether a limit is why Python raised. An exception is the
// worker's word and may be raised by anybody; the kernel's books are not. So a cause is given when
// the daemon sees the resource at its limit, and what was merely raised has none.

#include "actors/session_core.hpp"
#include "sandbox/attest.hpp"
#include "sandbox/cgroup_tree.hpp"
#include "sandbox/memory.hpp"

#include <algorithm>
#include <string_view>

namespace vivarium {

namespace {

/// Of the memory limit, so much may be missing where an allocation is refused.
constexpr std::uint64_t memory_slack(std::uint64_t limit) noexcept {
  return std::max<std::uint64_t>(limit / 8, 4u << 20);
}

// Kernels before 6.2 count up to 64 pages of each thread late: a peak that grows by no more may be
// an earlier execution's.
constexpr std::uint64_t counted_late = 1u << 20;

// CPython's words.
constexpr std::string_view no_thread = "can't start new thread";
constexpr std::string_view too_large = "max_result_bytes";

bool begins(std::string_view text, std::string_view with) noexcept {
  return text.starts_with(with);
}

} // namespace

std::uint64_t session_core::peak_memory() {
  auto peak = worker_ ? sandbox::peak_resident_bytes_of(worker_->host_pid()).value_or(0) : 0;
  peak_seen_ = std::max(peak_seen_, peak);
  if (watched_)
    peak = std::max(peak, watched_->most_of_all);
  // Of a control group it counts what children took as well, and what has no address.
  return cgroup_.empty() ? peak : std::max(peak, sandbox::cgroup_tree::read(cgroup_).peak_bytes);
}

void session_core::explain(verdict& how, const in_flight& flight) {
  auto kind = static_cast<error_kind>(how.error_kind);
  auto pid = worker_->host_pid();
  auto met = [&](std::string_view what, limit which, std::uint64_t observed) {
    how.cause = cause{std::string{what}, std::string{facts_of(which).wire}, limits_[which],
                      observed, enforcer::kernel};
  };
  if (kind == error_kind::memory) {
    how.usage.peak_memory_bytes = peak_memory();
    const auto& born = worker_->born_with();
    auto now = sandbox::read_memory(pid).value_or(born);
    auto files = now.files - std::min(now.files, born.files);
    auto taken = peak_seen_ - std::min(peak_seen_, born.resident + files);
    auto most = limits_[limit::memory];
    // One that an earlier execution had reached says nothing of this one.
    if (peak_seen_ > flight.peak_before + counted_late && taken + memory_slack(most) >= most)
      met("memory", limit::memory, taken);
  } else if (kind == error_kind::io || kind == error_kind::python) {
    auto text = text_of_error(how.content, 5);
    // What it says only chooses the book that is looked into.
    if (begins(text, "[Errno 28]")) {
      if (auto disk = sandbox::read_disk(pid); disk && disk->free_inodes == 0)
        met("disk", limit::inodes, limits_[limit::inodes]);
      else if (disk && disk->free_bytes < disk->bytes / 16)
        met("disk", limit::workspace, disk->bytes - disk->free_bytes);
    } else if (begins(text, "[Errno 24]")) {
      auto most = static_cast<std::uint32_t>(limits_[limit::descriptors]);
      if (auto open = sandbox::count_descriptors(pid, most); open && *open >= most)
        met("descriptors", limit::descriptors, *open);
    } else if (begins(text, no_thread) || begins(text, "[Errno 11]")) {
      if (auto now = sandbox::read_memory(pid); now && now->threads >= limits_[limit::threads])
        met("threads", limit::threads, now->threads);
    }
    if (auto hint = hint_for(text); !hint.empty())
      override_error(how.content, kind, text + hint);
  } else if (kind == error_kind::limit
             && text_of_error(how.content, 5).find(too_large) != std::string::npos) {
    // The runtime in the worker refused a result; its word, and said to be so.
    how.cause = cause{"limit", "result_bytes", limits_[limit::result], 0, enforcer::python};
  }
  if (how.cause)
    watch_.limit_reached(tenant_, label_, how.cause->limit);
}

std::string session_core::hint_for(std::string_view text) const {
  auto say = [this](limit which) {
    return " [the session's limit: " + std::string{facts_of(which).wire} + " = "
           + shown(which, limits_[which]) + "]";
  };
  if (begins(text, "[Errno 28]"))
    return say(limit::workspace);
  if (begins(text, "[Errno 24]"))
    return say(limit::descriptors);
  if (begins(text, "[Errno 27]"))
    return say(limit::file_size);
  if (begins(text, no_thread))
    return say(limit::threads);
  return {};
}

} // namespace vivarium
