// SPDX-License-Identifier: Apache-2.0
#include "actors/session_limits.hpp"

#include <algorithm>

namespace vivarium {

namespace {

constexpr std::uint64_t kib = 1ull << 10;
constexpr std::uint64_t mib = 1ull << 20;
constexpr std::uint64_t gib = 1ull << 30;
constexpr std::uint64_t hour = 3'600'000;

using unit = limit_unit;

constexpr std::array<limit_facts, limit_count> facts{{
    {limit::memory, "memory_bytes", "memory", unit::bytes, 512 * mib, 16 * mib, 1024 * gib},
    {limit::cpu, "cpu_ms", "cpu", unit::milliseconds, 24 * hour, 100, 365 * 24 * hour},
    {limit::workspace, "workspace_bytes", "workspace", unit::bytes, 64 * mib, 64 * kib, 1024 * gib},
    {limit::inodes, "workspace_inodes", "workspace_inodes", unit::count, 10'000, 16, 100'000'000},
    {limit::threads, "threads", "threads", unit::count, 32, 1, 10'000},
    {limit::descriptors, "descriptors", "descriptors", unit::count, 256, 16, 1'000'000},
    {limit::file_size, "file_bytes", "file_size", unit::bytes, 1024 * gib, 64 * kib, 1024 * gib},
    {limit::output, "output_bytes", "output", unit::bytes, mib, kib, gib},
    {limit::display, "display_bytes", "display", unit::bytes, 32 * mib, kib, gib},
    {limit::displays, "displays", "displays", unit::count, 1'000, 0, 1'000'000},
    {limit::result, "result_bytes", "result", unit::bytes, 32 * mib, kib, 60 * mib},
    {limit::event_log, "event_log_bytes", "event_log", unit::bytes, 4 * mib, kib, gib},
    {limit::queue, "queue", "queue", unit::count, 1'000, 1, 1'000'000},
    {limit::refs, "refs", "refs", unit::count, 100'000, 1, 10'000'000},
    {limit::namespaces, "namespaces", "namespaces", unit::count, 10'000, 0, 1'000'000},
}};

std::string with_thousands(std::uint64_t value) {
  auto digits = std::to_string(value);
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<std::size_t>(at), ",");
  return digits;
}

} // namespace

const std::array<limit_facts, limit_count>& all_limits() noexcept {
  return facts;
}

const limit_facts& facts_of(limit which) noexcept {
  return facts[static_cast<std::size_t>(which)];
}

session_limits::session_limits() noexcept : values_{} {
  for (const auto& one : facts)
    (*this)[one.which] = one.usual;
}

std::string shown(limit which, std::uint64_t value) {
  if (value == no_limit)
    return "none";
  switch (facts_of(which).unit) {
    case unit::milliseconds: return with_thousands(value) + " ms";
    case unit::count: return with_thousands(value);
    case unit::bytes: break;
  }
  constexpr std::pair<std::uint64_t, const char*> scales[] = {
      {gib, " GiB"}, {mib, " MiB"}, {kib, " KiB"}};
  for (const auto& [size, name] : scales)
    if (value >= size && value % size == 0)
      return with_thousands(value / size) + name;
  return with_thousands(value) + " bytes";
}

result<session_limits> clamp_or_refuse(const limits_request& asked, const session_limits& defaults,
                                       const limit_maxima& maxima) {
  session_limits out;
  for (const auto& one : facts) {
    const auto& wish = asked[one.which];
    auto most = maxima[one.which].value_or(defaults[one.which]);
    if (!wish) {
      out[one.which] = std::min(defaults[one.which], most);
      continue;
    }
    if (*wish > most)
      return error{errc::limit_exceeded,
                   "`limits." + std::string{one.wire} + "`: asked for " + shown(one.which, *wish)
                       + ", the maximum is " + shown(one.which, most) + "; the option "
                       + maxima.section + "." + std::string{one.key} + " raises it"};
    if (*wish < one.least)
      return error{errc::invalid_argument, "`limits." + std::string{one.wire} + "`: asked for "
                                               + shown(one.which, *wish) + ", at least "
                                               + shown(one.which, one.least) + " is needed"};
    out[one.which] = *wish;
  }
  // What no file can reach limits nobody: told as it holds.
  out[limit::file_size] = std::min(out[limit::file_size], out[limit::workspace]);
  return out;
}

limit_maxima narrower(const limit_maxima& all, const limit_maxima& own,
                      const session_limits& defaults) {
  auto out = all;
  out.section = own.section;
  for (const auto& one : facts)
    if (const auto& most = own[one.which])
      out[one.which] = std::min(*most, all[one.which].value_or(defaults[one.which]));
  return out;
}

session_limits wider(const session_limits& defaults, const limit_maxima& maxima) {
  auto out = defaults;
  for (const auto& one : facts)
    out[one.which] = std::max(out[one.which], maxima[one.which].value_or(0));
  return out;
}

sandbox::worker_limits kernel_limits(const session_limits& from) noexcept {
  sandbox::worker_limits out;
  out.memory_bytes = from[limit::memory];
  out.workspace_bytes = from[limit::workspace];
  out.workspace_inodes = static_cast<std::uint32_t>(from[limit::inodes]);
  out.threads = static_cast<std::uint32_t>(from[limit::threads]);
  out.descriptors = static_cast<std::uint32_t>(from[limit::descriptors]);
  out.file_bytes = std::min(from[limit::file_size], from[limit::workspace]);
  return out;
}

} // namespace vivarium
