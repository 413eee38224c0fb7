// SPDX-License-Identifier: Apache-2.0
#include "bridge/natural.hpp"
#include "daemon/wire_bytes.hpp"
#include "daemon/wire_fields.hpp"
#include "daemon/wire_run.hpp"

#include <utility>

namespace vivarium::wire {

using protozero::pbf_reader;

result<defaults> decode_defaults(codec as, std::string_view bytes) {
  eval_fields fields;
  auto& what = fields.what;
  bool own_session = false;
  binary_form form{message::defaults, as, bytes};
  auto ok = form.read([&](pbf_reader& r) -> status {
    switch (field_of(r)) {
      case text_field(1): return take_text(what.session, r, "session");
      case text_field(2): return take_text(what.name_space, r, "namespace");
      case text_field(3): return take_text(what.environment, r, "environment");
      case text_field(4):
        return read_fields(view_of(r), [&](pbf_reader& o) { return read_run_option(fields, o); });
      case text_field(30):
      case number_field(32): return read_pool_field(fields, r);
      case number_field(5): own_session = r.get_uint64() != 0; return done{};
      default: return skip(r);
    }
  });
  if (ok && own_session && !what.session.empty())
    return error{errc::invalid_argument, "`session` and `own_session` exclude each other"};
  if (ok && own_session && !what.pool.empty())
    return error{errc::invalid_argument, "`pool` and `own_session` exclude each other"};
  if (ok)
    ok = settle_run(fields, nullptr); // What no request could be run with is refused now.
  if (!ok)
    return std::move(ok).why();
  defaults out;
  out.session = std::move(what.session);
  out.name_space = std::move(what.name_space);
  out.environment = std::move(what.environment);
  out.timeout = what.timeout;
  out.cpu_budget = what.cpu_budget;
  out.format = fields.format;
  out.queue = fields.queue;
  out.disconnect = fields.disconnect;
  out.pool = std::move(what.pool);
  out.affinity = fields.affinity;
  out.values = fields.values;
  out.own_session = own_session;
  return out;
}

std::string encode_defaults_set(codec as, std::string_view session) {
  std::string out;
  if (as == codec::proto) {
    append_text(out, 1, session);
    return out;
  }
  out += '{';
  if (!session.empty()) {
    out += "\"sessionId\":";
    bridge::append_json_string(out, session);
  }
  out += '}';
  return out;
}

} // namespace vivarium::wire
