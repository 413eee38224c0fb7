// SPDX-License-Identifier: Apache-2.0
#include "bridge/validate.hpp"
#include "daemon/wire_capability.hpp"
#include "daemon/wire_fields.hpp"
#include "daemon/wire_file.hpp"
#include "daemon/wire_limits.hpp"
#include "daemon/wire_value.hpp"

#include <algorithm>
#include <utility>

// Requests that make sessions and namespaces, and a connection's defaults.
namespace vivarium::wire {

namespace {

using protozero::pbf_reader;

constexpr std::size_t most_path = 4'096;

status take_lifetime(std::uint64_t& owner, pbf_reader& r) {
  auto number = r.get_enum();
  owner = number == 2 ? owner_is_asker : 0;
  return check_enum(number, 2, "lifetime");
}

// Who owns refs is for requests to say, and for a connection's defaults: a session or a namespace
// may outlive the connection that made it.
result<bridge::value_options> lasting_options(const value_fields& fields) {
  auto choice = check_value_options(fields);
  if (!choice)
    return std::move(choice).why();
  if (choice->of_connection)
    return wrong("`ref_lifetime` of a connection is set by a request or by `set_defaults`");
  return choice->options;
}

status read_init(init_script& into, named_values& variables, std::string_view bytes) {
  return read_fields(bytes, [&](pbf_reader& r) -> status {
    switch (field_of(r)) {
      case text_field(1): return take_text(into.source, r, "init.source");
      case text_field(2): return variables.add(view_of(r));
      case text_field(3): variables.add_json(view_of(r)); return done{};
      case number_field(4): return take_ms(into.timeout, r, "init.timeout_ms");
      case text_field(5): return take_text(into.filename, r, "init.filename");
      case number_field(6): into.first_line = r.get_uint32(); return done{};
      default: return skip(r);
    }
  });
}

status take_variable(session_request& into, pbf_reader& r) {
  std::string name;
  std::string value;
  auto ok = read_fields(view_of(r), [&](pbf_reader& entry) -> status {
    switch (field_of(entry)) {
      case text_field(1): return take_text(name, entry, "environment_variables");
      case text_field(2): return take_text(value, entry, "environment_variables");
      default: return skip(entry);
    }
  });
  if (!ok)
    return ok;
  if (name.empty() || name.find('=') != std::string::npos || name.find('\0') != std::string::npos
      || value.find('\0') != std::string::npos)
    return wrong(
        "`environment_variables`: a name is not empty and has no '=', and neither name nor "
        "value has NUL");
  auto& all = into.environment_variables;
  auto same = std::find_if(all.begin(), all.end(), [&](const auto& v) { return v.first == name; });
  if (same != all.end())
    same->second = std::move(value);
  else if (all.size() == most_environment_variables)
    return wrong("more than " + std::to_string(most_environment_variables)
                 + " `environment_variables`");
  else
    all.emplace_back(std::move(name), std::move(value));
  return done{};
}

status take_tag(session_request& into, pbf_reader& r) {
  if (into.tags.size() == most_tags)
    return wrong("more than " + std::to_string(most_tags) + " `tags`");
  std::string tag;
  if (auto ok = take_text(tag, r, "tags"); !ok)
    return ok;
  if (tag.empty() || tag.size() > most_tag_bytes)
    return wrong("each of `tags` has 1 to " + std::to_string(most_tag_bytes) + " bytes");
  into.tags.push_back(std::move(tag));
  return done{};
}

status take_processes(std::optional<process_mode>& into, pbf_reader& r) {
  auto number = r.get_enum();
  into.reset();
  if (number == 1 || number == 2)
    into = static_cast<process_mode>(number - 1);
  return check_enum(number, 2, "processes");
}

status take_module(session_request& into, pbf_reader& r) {
  if (into.modules.size() == most_modules)
    return wrong("more than " + std::to_string(most_modules) + " `modules`");
  auto& made = into.modules.emplace_back();
  named_values constants;
  auto ok = read_fields(view_of(r), [&](pbf_reader& field) -> status {
    switch (field_of(field)) {
      case text_field(1): return take_text(made.name, field, "modules.name");
      case text_field(2):
        if (made.functions.size() == most_functions)
          return wrong("a module has more than " + std::to_string(most_functions) + " functions");
        return take_text(made.functions.emplace_back(), field, "modules.functions");
      case text_field(3): return constants.add(view_of(field));
      case number_field(4): made.overrides = field.get_uint64() != 0; return done{};
      default: return skip(field);
    }
  });
  if (!ok)
    return ok;
  auto values = make_variables(constants, "modules.constants");
  if (!values)
    return std::move(values).why();
  made.constants = *std::move(values);
  return done{};
}

status check_session(const session_request& what) {
  std::size_t bytes = 0;
  for (const auto& [name, value] : what.environment_variables)
    bytes += name.size() + value.size();
  if (bytes > most_environment_bytes)
    return wrong("`environment_variables` are over " + std::to_string(most_environment_bytes)
                 + " bytes in all");
  const auto& path = what.working_directory;
  if (path.size() > most_path || path.find('\0') != std::string::npos)
    return wrong("`working_directory` is longer than 4096 bytes or has NUL");
  return done{};
}

/// Fields that need more than one step.
struct parts {
  value_fields values;
  named_values variables;
};

status read_session_field(session_request& what, parts& more, pbf_reader& r) {
  switch (field_of(r)) {
    case text_field(1): return take_text(what.name, r, "name");
    case text_field(2): return take_text(what.environment, r, "environment");
    case number_field(3): return take_ms(what.idle_timeout, r, "idle_timeout_ms");
    case number_field(4): what.attach = r.get_uint64() != 0; return done{};
    case text_field(5):
      if (!what.init) {
        what.init.emplace();
        what.init->first_line = 0;
      }
      return read_init(*what.init, more.variables, view_of(r));
    case number_field(6): what.start_async = r.get_uint64() != 0; return done{};
    case number_field(7): return take_lifetime(what.owner, r);
    case text_field(8): return take_text(what.working_directory, r, "working_directory");
    case text_field(9): return take_variable(what, r);
    case text_field(10): return read_value_options(more.values, view_of(r));
    case number_field(11):
      if (auto most = r.get_uint64(); most > 0 && !what.limits[limit::refs])
        what.limits[limit::refs] = most;
      return done{};
    case number_field(12): return take_ms(what.ref_ttl, r, "ref_ttl_ms");
    case text_field(13): return take_tag(what, r);
    case text_field(14): return read_limits(what.limits, view_of(r));
    case text_field(20): return take_text(what.egress, r, "egress");
    case number_field(21): return take_processes(what.processes, r);
    case text_field(30): return take_module(what, r);
    case text_field(40): return take_file(what.files, r);
    case text_field(41): return take_mount(what.volumes, r);
    case text_field(60): return read_determinism(what.repeats, view_of(r));
    case number_field(31):
      what.log_level = static_cast<std::uint8_t>(std::clamp(r.get_enum(), 0, 7));
      return check_enum(what.log_level, 6, "log_level");
    case text_field(240): return read_capabilities(what.capabilities, view_of(r));
    default: return skip(r);
  }
}

} // namespace

status read_determinism(determinism& into, std::string_view bytes) {
  std::int64_t seconds = 0;
  std::int64_t nanos = 0;
  bool clock = false;
  auto ok = read_fields(bytes, [&](pbf_reader& r) -> status {
    switch (field_of(r)) {
      case number_field(1): into.seed = r.get_uint64(); return done{};
      case text_field(2):
        clock = true;
        return read_fields(view_of(r), [&](pbf_reader& t) -> status {
          switch (field_of(t)) {
            case number_field(1): seconds = t.get_int64(); return done{};
            case number_field(2): nanos = t.get_int32(); return done{};
            default: return skip(t);
          }
        });
      case number_field(3): into.clock_advances = r.get_uint64() != 0; return done{};
      case number_field(4): into.hash_seed = r.get_uint32(); return done{};
      default: return skip(r);
    }
  });
  if (!ok)
    return ok;
  constexpr std::int64_t last = 7'258'118'400; // the year 2200: in nanoseconds 63 bits hold it
  if (seconds < 0 || seconds > last || nanos < 0 || nanos > 999'999'999)
    return wrong("`determinism.clock` is a time from 1970 to 2200");
  if (clock)
    into.clock_ns = seconds * 1'000'000'000 + nanos;
  else if (into.clock_advances)
    return wrong("`determinism.clock_advances` needs a `clock`");
  return done{};
}

namespace {

status read_names(std::optional<std::vector<std::string>>& into, std::string_view bytes) {
  if (!into)
    into.emplace();
  return read_fields(bytes, [&into](pbf_reader& r) -> status {
    if (field_of(r) != text_field(1))
      return skip(r);
    return take_text(into->emplace_back(), r, "names");
  });
}

status read_source(namespace_source& into, std::string_view bytes) {
  auto ok = read_fields(bytes, [&into](pbf_reader& r) -> status {
    switch (field_of(r)) {
      case text_field(1): return take_text(into.name, r, "from.namespace");
      case text_field(2): return read_names(into.only, view_of(r));
      case text_field(3): return read_names(into.except, view_of(r));
      default: return skip(r);
    }
  });
  if (ok && into.only && into.except)
    return wrong("a source has `only` or `except`, not both");
  return ok;
}

status read_namespace_field(namespace_request& what, parts& more, pbf_reader& r) {
  switch (field_of(r)) {
    case text_field(1): return take_text(what.session, r, "session");
    case text_field(2): return take_text(what.name, r, "name");
    case text_field(3):
      if (what.from.size() == most_sources)
        return wrong("`from` has more than " + std::to_string(most_sources) + " sources");
      return read_source(what.from.emplace_back(), view_of(r));
    case text_field(4): return more.variables.add(view_of(r));
    case text_field(5): more.variables.add_json(view_of(r)); return done{};
    case text_field(6): return read_value_options(more.values, view_of(r));
    case number_field(7): return take_lifetime(what.owner, r);
    default: return skip(r);
  }
}

} // namespace

result<close_request> decode_close_session(codec as, std::string_view bytes) {
  close_request what;
  binary_form form{message::close_session_request, as, bytes};
  auto ok = form.read([&](pbf_reader& r) -> status {
    switch (field_of(r)) {
      case text_field(1): return take_text(what.session, r, "session");
      case number_field(40): what.discard_volumes = r.get_uint64() != 0; return done{};
      default: return skip(r);
    }
  });
  if (!ok)
    return std::move(ok).why();
  if (what.session.empty())
    return wrong("`session` is required");
  return what;
}

result<session_request> decode_create_session(codec as, std::string_view bytes) {
  if (as == codec::proto || bytes.empty())
    return read_create_session(bytes);
  auto binary = to_binary(message::create_session_request, bytes);
  if (!binary)
    return std::move(binary).why();
  return read_create_session(*binary);
}

result<session_request> read_create_session(std::string_view bytes) {
  session_request what;
  parts more;
  auto ok = read_fields(bytes, [&](pbf_reader& r) { return read_session_field(what, more, r); });
  if (ok)
    ok = check_session(what);
  if (!ok)
    return std::move(ok).why();
  auto options = lasting_options(more.values);
  if (!options)
    return std::move(options).why();
  what.values = *options;
  auto variables = make_variables(more.variables, "init.variables");
  if (!variables)
    return std::move(variables).why();
  if (what.init) {
    what.init->variables = *std::move(variables);
    what.init->first_line = std::max(what.init->first_line, 1u);
  }
  return what;
}

result<namespace_request> decode_create_namespace(codec as, std::string_view bytes) {
  namespace_request what;
  parts more;
  binary_form form{message::create_namespace_request, as, bytes};
  auto ok = form.read([&](pbf_reader& r) { return read_namespace_field(what, more, r); });
  if (!ok)
    return std::move(ok).why();
  if (what.session.empty())
    return wrong("`session` is required");
  auto options = lasting_options(more.values);
  if (!options)
    return std::move(options).why();
  what.values = *options;
  auto variables = make_variables(more.variables, "variables");
  if (!variables)
    return std::move(variables).why();
  what.variables = *std::move(variables);
  return what;
}

result<session_and_namespace> decode_destroy_namespace(codec as, std::string_view bytes) {
  session_and_namespace what;
  binary_form form{message::destroy_namespace_request, as, bytes};
  auto ok = form.read([&](pbf_reader& r) -> status {
    switch (field_of(r)) {
      case text_field(1): return take_text(what.session, r, "session");
      case text_field(2): return take_text(what.name_space, r, "namespace");
      default: return skip(r);
    }
  });
  if (!ok)
    return std::move(ok).why();
  if (what.session.empty() || what.name_space.empty())
    return wrong("`session` and `namespace` are required");
  return what;
}

} // namespace vivarium::wire
