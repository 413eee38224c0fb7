// SPDX-License-Identifier: Apache-2.0
#include "bridge/validate.hpp"
#include "bridge/value_writer.hpp"
#include "daemon/wire_fields.hpp"
#include "daemon/wire_value.hpp"

#include <optional>
#include <utility>
#include <vector>

// Requests that ask a session's interpreter for something other than running code. The worker is
// asked in its own terms; each is an execution like others.
namespace vivarium::wire {

namespace {

using bridge::int_value;
using bridge::text_value;
using protozero::pbf_reader;

submission operation(std::string session, bridge::run_mode mode, std::string operands) {
  submission out;
  out.session = std::move(session);
  out.mode = mode;
  out.operands = std::move(operands);
  return out;
}

std::string bool_value(bool value) {
  std::string out;
  append_varint(out, number_field(2)); // Value.boolean
  append_varint(out, value ? 1 : 0);
  return out;
}

result<submission> inspect(std::string session, std::vector<std::string> what) {
  if (session.empty())
    return wrong("`session` is required");
  return operation(std::move(session), bridge::run_mode::inspect, bridge::list_value(what));
}

/// Reads a request of which only the session is of interest.
result<submission> inspect_session(message type, codec as, std::string_view bytes,
                                   std::string_view what) {
  auto session = decode_session(type, as, bytes);
  if (!session)
    return std::move(session).why();
  return inspect(*std::move(session), {text_value(what)});
}

} // namespace

result<submission> decode_release_refs(codec as, std::string_view bytes) {
  std::string session;
  std::vector<std::string> ids;
  binary_form form{message::release_refs_request, as, bytes};
  auto ok = form.read([&](pbf_reader& r) -> status {
    if (field_of(r) == text_field(1))
      return take_text(session, r, "session");
    if (field_of(r) != text_field(2))
      return skip(r);
    if (ids.size() == most_refs)
      return wrong("more than " + std::to_string(most_refs) + " `refs`");
    auto id = view_of(r);
    if (!bridge::is_utf8(id))
      return wrong("`refs` is not valid UTF-8");
    ids.push_back(text_value(id));
    return done{};
  });
  if (!ok)
    return std::move(ok).why();
  if (session.empty())
    return wrong("`session` is required");
  return operation(std::move(session), bridge::run_mode::release, bridge::list_value(ids));
}

result<submission> decode_list_variables(codec as, std::string_view bytes) {
  std::string session;
  std::string name_space;
  binary_form form{message::list_variables_request, as, bytes};
  auto ok = form.read([&](pbf_reader& r) -> status {
    switch (field_of(r)) {
      case text_field(1): return take_text(session, r, "session");
      case text_field(2): return take_text(name_space, r, "namespace");
      default: return skip(r);
    }
  });
  if (!ok)
    return std::move(ok).why();
  auto out = inspect(std::move(session), {text_value("variables")});
  if (out)
    out->name_space = std::move(name_space);
  return out;
}

result<submission> decode_get_interpreter(codec as, std::string_view bytes) {
  return inspect_session(message::get_interpreter_request, as, bytes, "interpreter");
}

result<submission> decode_get_memory_stats(codec as, std::string_view bytes) {
  return inspect_session(message::get_memory_stats_request, as, bytes, "memory");
}

result<submission> decode_collect_garbage(codec as, std::string_view bytes) {
  std::string session;
  std::optional<std::uint32_t> generation;
  binary_form form{message::collect_garbage_request, as, bytes};
  auto ok = form.read([&](pbf_reader& r) -> status {
    switch (field_of(r)) {
      case text_field(1): return take_text(session, r, "session");
      case number_field(2): generation = r.get_uint32(); return done{};
      default: return skip(r);
    }
  });
  if (!ok)
    return std::move(ok).why();
  if (generation && *generation > 2)
    return wrong("`generation` is 0, 1 or 2");
  return inspect(std::move(session), {text_value("collect"),
                                      generation ? int_value(*generation) : bridge::none_value()});
}

result<submission> decode_set_tracemalloc(codec as, std::string_view bytes) {
  std::string session;
  bool enabled = false;
  std::uint32_t frames = 0;
  binary_form form{message::set_tracemalloc_request, as, bytes};
  auto ok = form.read([&](pbf_reader& r) -> status {
    switch (field_of(r)) {
      case text_field(1): return take_text(session, r, "session");
      case number_field(2): enabled = r.get_uint64() != 0; return done{};
      case number_field(3): frames = r.get_uint32(); return done{};
      default: return skip(r);
    }
  });
  if (!ok)
    return std::move(ok).why();
  if (frames > most_frames)
    return wrong("`frames` is over " + std::to_string(most_frames));
  return inspect(std::move(session), {text_value("tracemalloc"), bool_value(enabled),
                                      int_value(frames == 0 ? 1 : frames)});
}

} // namespace vivarium::wire
