// SPDX-License-Identifier: Apache-2.0
#include "daemon/config_keys.hpp"

#include "bridge/natural.hpp"
#include "daemon/config.hpp"

#include <set>
#include <unordered_map>

namespace vivarium {

namespace {

// One of everything that is there by name only, so that its reader asks for its keys. What is wrong
// with it does not matter.
constexpr std::string_view one_of_each = R"(
[auth.certificates.name]
[databases.name]
[egress.name]
[environments.name]
[pools.name.limits]
[tenants.name.limits]
[timeouts.name]
[volumes.name]
)";

void add(std::string& out, std::string_view name, std::string_view text) {
  out += out.back() == '{' ? "" : ", ";
  bridge::append_json_string(out, name);
  out += ": ";
  bridge::append_json_string(out, text);
}

} // namespace

std::string_view name_of(config_effect when) noexcept {
  switch (when) {
    case config_effect::now: return "now";
    case config_effect::new_sessions: return "new_sessions";
    case config_effect::restart: return "restart";
  }
  return "";
}

const config_key* find_config_key(std::string_view pattern) {
  static const auto rows = [] {
    std::unordered_map<std::string_view, const config_key*> out;
    for (const auto& one : all_config_keys())
      out.emplace(one.path, &one);
    return out;
  }();
  if (auto found = rows.find(pattern); found != rows.end())
    return found->second;
  // Names of a table's own may hold dots, so that it is not always the last part that has to go.
  for (auto end = pattern.rfind('.'); end != std::string_view::npos && end > 0;
       end = pattern.rfind('.', end - 1))
    if (auto found = rows.find(std::string{pattern.substr(0, end)} + ".*"); found != rows.end())
      return found->second;
  return nullptr;
}

config_reference make_config_reference() {
  config all;
  (void)parse_config(all, one_of_each, "reference", config_scope::all);
  config_reference out;
  std::unordered_map<const config_key*, const config_value*> read;
  for (const auto& [path, value] : all.values) {
    const auto* row = find_config_key(value.pattern);
    if (row == nullptr)
      out.trouble += value.pattern + " has no row in the table of keys\n";
    else
      read.emplace(row, &value);
  }
  for (const auto& row : all_config_keys()) {
    bool many = row.path.ends_with("*");
    auto found = read.find(&row);
    if (found == read.end() && !many)
      out.trouble += std::string{row.path} + " has a row in the table of keys and no reader\n";
    out.json += out.json.empty() ? "[\n{" : ",\n{";
    add(out.json, "key", row.path);
    if (found != read.end() && !many) {
      add(out.json, "type", found->second->type);
      add(out.json, "bounds", found->second->bounds);
    }
    add(out.json, "default",
        row.usual.empty() && found != read.end() && !many ? found->second->usual : row.usual);
    add(out.json, "reload", name_of(row.effect));
    add(out.json, "about", row.about);
    out.json += '}';
  }
  out.json += "\n]\n";
  return out;
}

} // namespace vivarium
