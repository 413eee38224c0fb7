// SPDX-License-Identifier: Apache-2.0
#include "daemon/wire_fields.hpp"
#include "daemon/wire_run.hpp"

#include <utility>

namespace vivarium::wire {

using protozero::pbf_reader;

result<defaults> decode_defaults(codec as, std::string_view bytes) {
  eval_fields fields;
  auto& what = fields.what;
  binary_form form{message::defaults, as, bytes};
  auto ok = form.read([&](pbf_reader& r) -> status {
    switch (field_of(r)) {
      case text_field(1): return take_text(what.session, r, "session");
      case text_field(2): return take_text(what.name_space, r, "namespace");
      case text_field(3): return take_text(what.environment, r, "environment");
      case text_field(4):
        return read_fields(view_of(r), [&](pbf_reader& o) { return read_run_option(fields, o); });
      default: return skip(r);
    }
  });
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
  out.values = fields.values;
  return out;
}

} // namespace vivarium::wire
