// SPDX-License-Identifier: Apache-2.0
#include "daemon/wire_run.hpp"

#include "daemon/wire_eval_json.hpp"
#include "daemon/wire_fields.hpp"
#include "daemon/wire_file.hpp"
#include "daemon/wire_limits.hpp"

#include <utility>

namespace vivarium::wire {

namespace {

using protozero::pbf_reader;

constexpr std::size_t most_filename = 4'096;
constexpr std::size_t most_affinity_key = 256;

void fill_from(eval_fields& fields, const defaults& base) {
  auto& what = fields.what;
  if (what.session.empty() && what.pool.empty()) {
    what.session = base.session;
    what.pool = base.pool;
    if (what.name_space.empty() && !what.scratch)
      what.name_space = base.name_space;
  }
  // A session that exists has its environment already, and one of a pool, too.
  bool is_new = what.pool.empty() && (what.session.empty() || what.create_session);
  if (what.environment.empty() && is_new)
    what.environment = base.environment;
  if (what.timeout.count() == 0)
    what.timeout = base.timeout;
  if (what.cpu_budget.count() == 0)
    what.cpu_budget = base.cpu_budget;
  if (fields.format == 0)
    fields.format = base.format;
  if (fields.queue == 0)
    fields.queue = base.queue;
  if (fields.disconnect == 0)
    fields.disconnect = base.disconnect;
  if (fields.affinity == 0)
    fields.affinity = base.affinity;
  fields.values.fill_from(base.values);
}

status check_enums(const eval_fields& fields) {
  if (auto ok = check_enum(fields.format, 4, "result_format"); !ok)
    return ok;
  if (auto ok = check_enum(fields.queue, 2, "queue"); !ok)
    return ok;
  if (auto ok = check_enum(fields.affinity, 3, "affinity"); !ok)
    return ok;
  return check_enum(fields.disconnect, 3, "on_disconnect");
}

status check_pool(const submission& what) {
  if (what.pool.empty())
    return what.affinity_key.empty() ? status{done{}} : wrong("`affinity_key` needs a `pool`");
  if (!what.session.empty())
    return wrong("`session` and `pool` exclude each other");
  if (!what.name_space.empty())
    return wrong("`namespace` needs a session; a pool has none that would stay");
  if (what.create_session || !what.environment.empty() || what.limits || what.repeats)
    return wrong("`create_session`, `environment`, `limits` and `determinism` are not for the "
                 "sessions of a pool, which are there already");
  if (what.affinity_key.size() > most_affinity_key)
    return wrong("`affinity_key` is longer than " + std::to_string(most_affinity_key) + " bytes");
  return done{};
}

status read_eval_field(eval_fields& into, pbf_reader& reader) {
  auto& what = into.what;
  switch (field_of(reader)) {
    case text_field(1): return take_text(what.session, reader, "session");
    case text_field(2): return take_text(what.source, reader, "source");
    case text_field(3): return take_text(what.filename, reader, "filename");
    case number_field(4): what.first_line = reader.get_uint32(); return done{};
    case number_field(5): return take_ms(what.timeout, reader, "timeout_ms");
    case number_field(6): return take_ms(what.cpu_budget, reader, "cpu_ms");
    case number_field(7): into.format = reader.get_enum(); return done{};
    case number_field(8): what.create_session = reader.get_uint64() != 0; return done{};
    case text_field(9): return take_text(what.code, reader, "code");
    case number_field(10): into.queue = reader.get_enum(); return done{};
    case number_field(11): into.disconnect = reader.get_enum(); return done{};
    case text_field(12): return take_text(what.environment, reader, "environment");
    case text_field(13): return take_text(what.name_space, reader, "namespace");
    case text_field(14): return into.variables.add(view_of(reader));
    case text_field(15): into.variables.add_json(view_of(reader)); return done{};
    case text_field(16): return read_value_options(into.values, view_of(reader));
    case number_field(17): what.scratch = reader.get_uint64() != 0; return done{};
    case text_field(18): return read_run_limits(what, view_of(reader));
    case text_field(20): return take_text(what.timeout_profile, reader, "timeout_profile");
    case text_field(21): return take_text(what.within_call, reader, "within_call");
    case number_field(40): what.track_files = reader.get_uint64() != 0; return done{};
    case number_field(41): what.transaction = reader.get_uint64() != 0; return done{};
    case text_field(42):
      if (!what.files)
        what.files = std::make_shared<std::vector<std::pair<std::string, std::string>>>();
      return take_file(*what.files, reader);
    case text_field(60): {
      auto own = std::make_shared<determinism>(what.repeats ? *what.repeats : determinism{});
      auto ok = read_determinism(*own, view_of(reader));
      what.repeats = std::move(own);
      return ok;
    }
    default: return read_pool_field(into, reader);
  }
}

} // namespace

status read_pool_field(eval_fields& into, pbf_reader& reader) {
  switch (field_of(reader)) {
    case text_field(30): return take_text(into.what.pool, reader, "pool");
    case text_field(31): return take_text(into.what.affinity_key, reader, "affinity_key");
    case number_field(32): into.affinity = reader.get_enum(); return done{};
    default: return skip(reader);
  }
}

status read_run_limits(submission& into, std::string_view bytes) {
  auto all = std::make_shared<limits_request>(into.limits ? *into.limits : limits_request{});
  auto ok = read_limits(*all, bytes);
  into.limits = std::move(all);
  return ok;
}

status read_run_option(eval_fields& into, pbf_reader& reader) {
  switch (field_of(reader)) {
    case number_field(1): return take_ms(into.what.timeout, reader, "timeout_ms");
    case number_field(2): return take_ms(into.what.cpu_budget, reader, "cpu_ms");
    case number_field(3): into.format = reader.get_enum(); return done{};
    case number_field(4): into.queue = reader.get_enum(); return done{};
    case number_field(5): into.disconnect = reader.get_enum(); return done{};
    case text_field(6): return read_value_options(into.values, view_of(reader));
    case text_field(20): return take_text(into.what.timeout_profile, reader, "timeout_profile");
    case text_field(21): return take_text(into.what.within_call, reader, "within_call");
    case number_field(40): into.what.track_files = reader.get_uint64() != 0; return done{};
    case number_field(41): into.what.transaction = reader.get_uint64() != 0; return done{};
    default: return skip(reader);
  }
}

status settle_run(eval_fields& fields, const defaults* base) {
  auto& what = fields.what;
  if (base != nullptr)
    fill_from(fields, *base);
  if (auto ok = check_enums(fields); !ok)
    return ok;
  if (auto ok = check_pool(what); !ok)
    return ok;
  if (fields.affinity != 0)
    what.affinity = static_cast<affinity>(fields.affinity - 1);
  if (what.create_session && what.session.empty())
    return wrong("`create_session` needs the name of a session");
  if (!what.name_space.empty() && what.session.empty())
    return wrong("`namespace` needs a session");
  if (!what.within_call.empty() && what.session.empty())
    return wrong("`within_call` needs the session that made the call");
  if ((what.track_files || what.transaction) && !what.within_call.empty())
    return wrong("what runs inside of a call cannot have its files followed: leave `track_files` "
                 "and `transaction` to what made the call");
  if (what.files && (!what.session.empty() || !what.pool.empty()))
    return wrong("`files` are for a session of its own: leave `session` and `pool` empty, or use "
                 "PutFile");
  auto values = check_value_options(fields.values);
  if (!values)
    return std::move(values).why();
  what.values = values->options;
  what.owner = values->of_connection ? owner_is_asker : 0;
  auto format = static_cast<result_format>(fields.format);
  what.answer_format = static_cast<std::uint8_t>(format);
  what.form = format == result_format::repr   ? bridge::value_form::repr
              : format == result_format::none ? bridge::value_form::none
                                              : bridge::value_form::typed;
  what.fail_if_busy = fields.queue == 2;
  if (fields.disconnect != 0)
    what.disconnect = static_cast<on_disconnect>(fields.disconnect - 1);
  return done{};
}

result<submission> check_eval(eval_fields fields, const defaults* base) {
  auto& what = fields.what;
  if (auto ok = settle_run(fields, base); !ok)
    return std::move(ok).why();
  if (!what.code.empty()
      && (!what.source.empty() || !what.filename.empty() || what.first_line != 0))
    return wrong("`code` stands for source, filename and first_line: leave those empty");
  if (what.scratch && !what.name_space.empty())
    return wrong("`scratch` makes a namespace of its own: leave `namespace` empty");
  if (what.filename.size() > most_filename)
    return wrong("`filename` is longer than 4096 bytes");
  if (what.first_line == 0)
    what.first_line = 1;
  auto variables = make_variables(fields.variables, "variables");
  if (!variables)
    return std::move(variables).why();
  what.operands = *std::move(variables);
  return std::move(what);
}

result<submission> read_eval(std::string_view bytes, const defaults* base) {
  eval_fields fields;
  fields.what.first_line = 0;
  auto ok = read_fields(bytes, [&](pbf_reader& r) { return read_eval_field(fields, r); });
  if (!ok)
    return std::move(ok).why();
  return check_eval(std::move(fields), base);
}

result<submission> decode_eval(codec as, std::string_view bytes, const defaults* base) {
  if (as == codec::proto || bytes.empty())
    return read_eval(bytes, base);
  if (auto fields = read_eval_json(bytes))
    return check_eval(*std::move(fields), base);
  auto binary = to_binary(message::eval_request, bytes);
  if (!binary)
    return std::move(binary).why();
  return read_eval(*binary, base);
}

} // namespace vivarium::wire
