// SPDX-License-Identifier: Apache-2.0
#include "wire.hpp"

namespace vivarium {
inline namespace client_v1 {
namespace detail {

namespace {

using number = std::optional<std::uint64_t>;

/// Calls `each(field, "has", "value", "set")` for all but `cpu`, which has a unit.
template <class Limits, class Each>
void for_each_limit(Limits& all, Each each) {
  each(all.memory_bytes, &v1::Limits::has_memory_bytes, &v1::Limits::memory_bytes,
       &v1::Limits::set_memory_bytes);
  each(all.workspace_bytes, &v1::Limits::has_workspace_bytes, &v1::Limits::workspace_bytes,
       &v1::Limits::set_workspace_bytes);
  each(all.workspace_inodes, &v1::Limits::has_workspace_inodes, &v1::Limits::workspace_inodes,
       &v1::Limits::set_workspace_inodes);
  each(all.threads, &v1::Limits::has_threads, &v1::Limits::threads, &v1::Limits::set_threads);
  each(all.descriptors, &v1::Limits::has_descriptors, &v1::Limits::descriptors,
       &v1::Limits::set_descriptors);
  each(all.file_bytes, &v1::Limits::has_file_bytes, &v1::Limits::file_bytes,
       &v1::Limits::set_file_bytes);
  each(all.output_bytes, &v1::Limits::has_output_bytes, &v1::Limits::output_bytes,
       &v1::Limits::set_output_bytes);
  each(all.display_bytes, &v1::Limits::has_display_bytes, &v1::Limits::display_bytes,
       &v1::Limits::set_display_bytes);
  each(all.displays, &v1::Limits::has_displays, &v1::Limits::displays, &v1::Limits::set_displays);
  each(all.result_bytes, &v1::Limits::has_result_bytes, &v1::Limits::result_bytes,
       &v1::Limits::set_result_bytes);
  each(all.event_log_bytes, &v1::Limits::has_event_log_bytes, &v1::Limits::event_log_bytes,
       &v1::Limits::set_event_log_bytes);
  each(all.queue, &v1::Limits::has_queue, &v1::Limits::queue, &v1::Limits::set_queue);
  each(all.refs, &v1::Limits::has_refs, &v1::Limits::refs, &v1::Limits::set_refs);
  each(all.namespaces, &v1::Limits::has_namespaces, &v1::Limits::namespaces,
       &v1::Limits::set_namespaces);
}

} // namespace

bool encode(const session_limits& from, v1::Limits& to) {
  bool any = false;
  for_each_limit(from, [&](const number& field, auto, auto, auto set) {
    if (!field)
      return;
    (to.*set)(*field);
    any = true;
  });
  if (from.cpu)
    to.set_cpu_ms(static_cast<std::uint64_t>(from.cpu->count()));
  return any || from.cpu;
}

session_limits decode(const v1::Limits& from) {
  session_limits out;
  for_each_limit(out, [&](number& field, auto has, auto value, auto) {
    if ((from.*has)())
      field = (from.*value)();
  });
  if (from.has_cpu_ms())
    out.cpu = std::chrono::milliseconds{from.cpu_ms()};
  return out;
}

} // namespace detail
} // namespace client_v1
} // namespace vivarium
