// SPDX-License-Identifier: Apache-2.0
#include "daemon/wire_environment.hpp"

#include "daemon/wire_bytes.hpp"
#include "daemon/wire_fields.hpp"

#include <algorithm>
#include <utility>

namespace vivarium::wire {

namespace {

using protozero::pbf_reader;

/// What a specification says before it is one thing.
struct spec_parts {
  environment_spec out;
  environment_recipe recipe;
  bool requirements = false;
  bool pyproject = false;
  std::string reaches;
};

status take_into_list(std::vector<std::string>& into, pbf_reader& r, std::string_view field) {
  if (into.size() == most_requirements)
    return wrong("`" + std::string{field} + "` has more than " + std::to_string(most_requirements)
                 + " entries");
  return take_text(into.emplace_back(), r, field);
}

status take_admin_text(spec_parts& to, std::string& into, pbf_reader& r, const char* field) {
  auto ok = take_text(into, r, field);
  if (!into.empty())
    to.reaches = field;
  return ok;
}

status take_variable(std::vector<std::pair<std::string, std::string>>& all, pbf_reader& r) {
  std::string name;
  std::string text;
  auto ok = read_fields(view_of(r), [&](pbf_reader& entry) -> status {
    switch (field_of(entry)) {
      case text_field(1): return take_text(name, entry, "environment_variables");
      case text_field(2): return take_text(text, entry, "environment_variables");
      default: return skip(entry);
    }
  });
  if (!ok)
    return ok;
  if (all.size() == most_environment_variables)
    return wrong("there are more than " + std::to_string(most_environment_variables)
                 + " `environment_variables`");
  std::erase_if(all, [&](const auto& one) { return one.first == name; });
  all.emplace_back(std::move(name), std::move(text));
  return done{};
}

status read_spec_field(spec_parts& to, pbf_reader& r) {
  auto& recipe = to.recipe;
  switch (field_of(r)) {
    case text_field(1): return take_admin_text(to, to.out.interpreter, r, "interpreter");
    case text_field(2):
      return take_admin_text(to, to.out.virtual_environment, r, "virtual_environment");
    case text_field(3):
      to.requirements = true;
      return take_into_list(recipe.requirements, r, "requirements");
    case text_field(4): to.pyproject = true; return take_text(recipe.pyproject, r, "pyproject");
    case text_field(5): return take_text(recipe.lock, r, "lock");
    case text_field(6): return take_admin_text(to, recipe.python, r, "python");
    case text_field(7): return take_into_list(recipe.extras, r, "extras");
    case number_field(8): {
      auto number = r.get_enum();
      recipe.installer = static_cast<installer_choice>(std::clamp(number, 0, 2));
      return check_enum(number, 2, "installer");
    }
    case text_field(9): return take_admin_text(to, recipe.index_url, r, "index_url");
    case text_field(10): return take_admin_text(to, recipe.wheels, r, "wheel_directory");
    case number_field(11):
      recipe.sources = r.get_uint64() != 0;
      if (recipe.sources)
        to.reaches = "allow_source_builds";
      return done{};
    case number_field(12): return take_ms(recipe.timeout, r, "build_timeout_ms");
    case text_field(13): return take_into_list(to.out.preload, r, "preload");
    case text_field(14): return take_text(to.out.init, r, "init");
    case text_field(15):
      to.reaches = "import_paths";
      return take_into_list(to.out.import_paths, r, "import_paths");
    case text_field(16): return take_variable(to.out.variables, r);
    default: return skip(r);
  }
}

result<environment_spec> settle(spec_parts& parts) {
  if (parts.requirements && parts.pyproject)
    return wrong("`requirements` and `pyproject` exclude each other");
  if (parts.requirements || parts.pyproject)
    parts.out.recipe = std::move(parts.recipe);
  else if (!parts.recipe.lock.empty() || parts.recipe.sources || !parts.recipe.wheels.empty())
    return wrong("`lock`, `wheel_directory` and `allow_source_builds` are for what is built: from "
                 "`requirements` or a `pyproject`");
  return std::move(parts.out);
}

result<std::string> finish(codec as, message type, std::string binary) {
  return as == codec::json ? to_json(type, binary) : result<std::string>{std::move(binary)};
}

status need_name(const std::string& name) {
  return name.empty() ? status{wrong("`name` is required")} : status{done{}};
}

} // namespace

std::string bytes_of(const environment_info& what) {
  std::string out;
  append_text(out, 1, what.name);
  append_text(out, 2, what.facts.id);
  append_number(out, 3, static_cast<std::uint64_t>(what.state));
  append_text(out, 4, what.python);
  append_text(out, 5, what.facts.python_version);
  append_text(out, 6, what.facts.platform_tag);
  for (const auto& [name, version] : what.facts.packages) {
    std::string package;
    append_text(package, 1, name);
    append_text(package, 2, version);
    append_bytes(out, 7, package);
  }
  append_text(out, 8, what.facts.lock);
  append_told(out, 9, what.trouble);
  if (what.facts.built.count() > 0) {
    std::string time;
    append_number(time, 1, static_cast<std::uint64_t>(what.facts.built.count()));
    append_bytes(out, 10, time);
  }
  append_number(out, 11, what.configured ? 1 : 0);
  append_number(out, 12, what.own ? 1 : 0);
  for (const auto& name : what.preload)
    append_bytes(out, 13, name);
  return out;
}

result<environment_registration> decode_register_environment(codec as, std::string_view bytes) {
  environment_registration what;
  spec_parts parts;
  binary_form form{message::register_environment_request, as, bytes};
  auto ok = form.read([&](pbf_reader& r) -> status {
    switch (field_of(r)) {
      case text_field(1): return take_text(what.name, r, "name");
      case text_field(2):
        return read_fields(view_of(r), [&](pbf_reader& f) { return read_spec_field(parts, f); });
      case number_field(3): what.force = r.get_uint64() != 0; return done{};
      case number_field(4): what.for_all = r.get_uint64() != 0; return done{};
      default: return skip(r);
    }
  });
  if (ok)
    ok = need_name(what.name);
  if (!ok)
    return std::move(ok).why();
  auto spec = settle(parts);
  if (!spec)
    return std::move(spec).why();
  what.spec = *std::move(spec);
  what.reaches = std::move(parts.reaches);
  return what;
}

result<build_request> decode_build_environment(codec as, std::string_view bytes) {
  build_request what;
  binary_form form{message::build_environment_request, as, bytes};
  auto ok = form.read([&](pbf_reader& r) -> status {
    switch (field_of(r)) {
      case text_field(1): return take_text(what.name, r, "name");
      case number_field(2): what.force = r.get_uint64() != 0; return done{};
      default: return skip(r);
    }
  });
  if (ok)
    ok = need_name(what.name);
  if (!ok)
    return std::move(ok).why();
  return what;
}

result<std::string> decode_environment_name(message type, codec as, std::string_view bytes) {
  std::string name;
  auto ok = binary_form{type, as, bytes}.read([&](pbf_reader& r) {
    return field_of(r) == text_field(1) ? take_text(name, r, "name") : skip(r);
  });
  if (ok)
    ok = need_name(name);
  if (!ok)
    return std::move(ok).why();
  return name;
}

result<verify_request> decode_verify_environment(codec as, std::string_view bytes) {
  verify_request what;
  binary_form form{message::verify_environment_request, as, bytes};
  auto ok = form.read([&](pbf_reader& r) -> status {
    switch (field_of(r)) {
      case text_field(1): return take_text(what.name, r, "name");
      case text_field(2): return take_into_list(what.requirements, r, "requirements");
      case text_field(3): return take_into_list(what.stdlib, r, "stdlib_modules");
      default: return skip(r);
    }
  });
  if (ok)
    ok = need_name(what.name);
  if (!ok)
    return std::move(ok).why();
  return what;
}

result<std::string> encode_environment(message type, codec as, const environment_info& what) {
  std::string out;
  append_bytes(out, 1, bytes_of(what));
  return finish(as, type, std::move(out));
}

result<std::string> encode_environments(codec as, const std::vector<environment_info>& all) {
  std::string out;
  for (const auto& one : all)
    append_bytes(out, 1, bytes_of(one));
  return finish(as, message::list_environments_response, std::move(out));
}

result<std::string> encode_build_line(codec as, std::string_view line) {
  std::string out;
  append_bytes(out, 1, line);
  return finish(as, message::build_environment_response, std::move(out));
}

result<std::string> encode_built(codec as, const environment_info& what) {
  std::string out;
  append_bytes(out, 2, bytes_of(what));
  return finish(as, message::build_environment_response, std::move(out));
}

result<std::string> encode_verification(codec as, const environment_verification& what) {
  std::string out;
  bool all = std::all_of(what.checks.begin(), what.checks.end(),
                         [](const auto& one) { return one.satisfied; });
  append_number(out, 1, all ? 1 : 0);
  for (const auto& one : what.checks) {
    std::string check;
    append_text(check, 1, one.requirement);
    append_number(check, 2, one.satisfied ? 1 : 0);
    append_text(check, 3, one.found);
    append_text(check, 4, one.problem);
    append_bytes(out, 2, check);
  }
  return finish(as, message::verify_environment_response, std::move(out));
}

} // namespace vivarium::wire
