// SPDX-License-Identifier: Apache-2.0
#include "daemon/wire_bytes.hpp"
#include "daemon/wire_fields.hpp"

#include <utility>

// Session pools and routes to them.
namespace vivarium::wire {

namespace {

using protozero::pbf_reader;

constexpr std::size_t most_route_entries = 100'000;

result<std::string> finish(codec as, message type, std::string binary) {
  return as == codec::json ? to_json(type, binary) : result<std::string>{std::move(binary)};
}

// What a session of a pool cannot be told, because it is the pool's to say.
status check_member(const session_request& what) {
  if (!what.name.empty() || what.attach || what.start_async || what.owner != 0
      || what.idle_timeout.count() != 0)
    return wrong("`session` of a pool leaves `name`, `attach`, `start_async`, `lifetime` and "
                 "`idle_timeout_ms` empty");
  return done{};
}

} // namespace

std::string bytes_of(const session_pool_info& what) {
  std::string out;
  append_text(out, 1, what.name);
  append_text(out, 2, what.environment);
  append_number(out, 3, what.sessions);
  append_number(out, 4, what.ready);
  append_number(out, 5, what.busy);
  append_number(out, 6, what.waiting);
  append_number(out, 7, what.queue);
  append_number(out, 8, what.calls);
  append_number(out, 9, what.replaced);
  append_told(out, 10, what.trouble);
  append_number(out, 11, what.configured ? 1 : 0);
  append_number(out, 12, what.shared ? 1 : 0);
  return out;
}

result<session_pool_plan> decode_create_pool(codec as, std::string_view bytes) {
  session_pool_plan what;
  std::string session; // A message field that comes twice is merged, which joining the bytes does.
  binary_form form{message::create_pool_request, as, bytes};
  auto ok = form.read([&](pbf_reader& r) -> status {
    switch (field_of(r)) {
      case text_field(1): return take_text(what.name, r, "name");
      case number_field(2):
        if (auto sessions = r.get_uint32(); sessions > 0)
          what.sessions = sessions;
        return done{};
      case number_field(3): what.queue = r.get_uint64(); return done{};
      case text_field(4): session += view_of(r); return done{};
      default: return skip(r);
    }
  });
  if (!ok)
    return std::move(ok).why();
  auto wish = read_create_session(session);
  if (!wish)
    return std::move(wish).why();
  if (ok = check_member(*wish); !ok)
    return std::move(ok).why();
  what.wish = *std::move(wish);
  return what;
}

result<std::string> decode_close_pool(codec as, std::string_view bytes) {
  std::string name;
  auto ok = binary_form{message::close_pool_request, as, bytes}.read([&](pbf_reader& r) {
    return field_of(r) == text_field(1) ? take_text(name, r, "pool") : skip(r);
  });
  if (!ok)
    return std::move(ok).why();
  if (name.empty())
    return wrong("`pool` is required");
  return name;
}

result<std::map<std::string, std::string>> decode_set_routes(codec as, std::string_view bytes) {
  std::map<std::string, std::string> out;
  auto ok = binary_form{message::set_routes_request, as, bytes}.read([&](pbf_reader& r) -> status {
    if (field_of(r) != text_field(1))
      return skip(r);
    std::string from;
    std::string to;
    auto entry = read_fields(view_of(r), [&](pbf_reader& e) -> status {
      switch (field_of(e)) {
        case text_field(1): return take_text(from, e, "routes");
        case text_field(2): return take_text(to, e, "routes");
        default: return skip(e);
      }
    });
    if (!entry)
      return entry;
    if (out.size() == most_route_entries)
      return wrong("`routes` has too many entries");
    out[std::move(from)] = std::move(to);
    return done{};
  });
  if (!ok)
    return std::move(ok).why();
  return out;
}

result<std::string> encode_pool(codec as, const session_pool_info& what) {
  std::string out;
  append_bytes(out, 1, bytes_of(what));
  return finish(as, message::create_pool_response, std::move(out));
}

result<std::string> encode_pools(codec as, const std::vector<session_pool_info>& all,
                                 const std::map<std::string, std::string>& routes) {
  std::string out;
  for (const auto& one : all)
    append_bytes(out, 1, bytes_of(one));
  for (const auto& [from, to] : routes) {
    std::string entry;
    append_text(entry, 1, from);
    append_text(entry, 2, to);
    append_bytes(out, 2, entry);
  }
  return finish(as, message::list_pools_response, std::move(out));
}

} // namespace vivarium::wire
