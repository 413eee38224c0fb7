// SPDX-License-Identifier: Apache-2.0
#include "daemon/keys_command.hpp"

#include "daemon/key_admin.hpp"
#include "daemon/units.hpp"

#include <algorithm>
#include <ostream>

namespace vivarium {

namespace {

using action = keys_request::action;

result<std::chrono::seconds> seconds_of(const std::string& option, const std::string& text) {
  auto parsed = parse_duration(text);
  // Ten years are as good as for ever, and still fit into every calendar.
  if (!parsed || *parsed < std::chrono::seconds{1} || *parsed > std::chrono::hours{24 * 3'660})
    return error{errc::invalid_argument,
                 option + ": expected a duration such as \"12h\" or \"30d\", up to ten years"};
  return std::chrono::duration_cast<std::chrono::seconds>(*parsed);
}

result<std::string> file_of(const keys_request& asked, const config& with, std::ostream& notes) {
  if (!asked.file.empty())
    return asked.file;
  if (!with.auth.keys.empty())
    return with.auth.keys;
  auto usual = default_key_path();
  if (usual && asked.what == action::create)
    notes << "The configuration names no key file, so no key is asked for. To have this one used:\n"
          << "  [auth]\n  keys = \"" << *usual << "\"\n";
  return usual;
}

void show_new(const new_key& made, std::ostream& out, std::ostream& notes) {
  notes << "Key " << made.key.id << " of tenant " << made.key.tenant << " ("
        << name_of(made.key.what) << "), "
        << (made.key.expires ? "until " + show_time(*made.key.expires) : "without an end")
        << ". It is shown this once:\n";
  out << made.shown << '\n';
}

status create(const std::string& file, const keys_request& asked, const config& with,
              std::ostream& out, std::ostream& notes) {
  auto what = role_of(asked.role);
  if (!what)
    return error{errc::invalid_argument, "--role: expected client or admin"};
  std::optional<std::chrono::seconds> lasts;
  if (!asked.expires.empty()) {
    auto parsed = seconds_of("--expires", asked.expires);
    if (!parsed)
      return std::move(parsed).why();
    lasts = *parsed;
  }
  auto made = create_key(file, asked.tenant, *what, lasts);
  if (!made)
    return std::move(made).why();
  if (!with.core.tenants.contains(asked.tenant))
    notes << "The configuration has no [tenants." << asked.tenant
          << "]: until it does, the key opens nothing.\n";
  show_new(*made, out, notes);
  return done{};
}

status rotate(const std::string& file, const keys_request& asked, std::ostream& out,
              std::ostream& notes) {
  std::chrono::seconds grace{0};
  if (!asked.grace.empty()) {
    auto parsed = seconds_of("--grace", asked.grace);
    if (!parsed)
      return std::move(parsed).why();
    grace = *parsed;
  }
  auto made = rotate_key(file, asked.id, grace);
  if (!made)
    return std::move(made).why();
  if (made->key.before)
    notes << "The old one counts until " << show_time(made->key.before->until) << ".\n";
  show_new(*made, out, notes);
  return done{};
}

status list(const std::string& file, std::ostream& out) {
  auto held = list_keys(file);
  if (!held)
    return std::move(held).why();
  auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  for (const auto& key : held->keys)
    out << key.id << ' ' << key.tenant << ' ' << name_of(key.what) << " created "
        << show_time(key.created)
        << (!key.expires ? ""
                         : (key.expired(now) ? " expired " : " expires ") + show_time(*key.expires))
        << (key.before && now < key.before->until
                ? " old-secret-until " + show_time(key.before->until)
                : "")
        << '\n';
  return done{};
}

} // namespace

status run_keys(const keys_request& asked, const config& with, std::ostream& out,
                std::ostream& notes) {
  auto file = file_of(asked, with, notes);
  if (!file)
    return std::move(file).why();
  switch (asked.what) {
    case action::create: return create(*file, asked, with, out, notes);
    case action::rotate: return rotate(*file, asked, out, notes);
    case action::revoke: return revoke_key(*file, asked.id);
    case action::list: break;
  }
  return list(*file, out);
}

} // namespace vivarium
