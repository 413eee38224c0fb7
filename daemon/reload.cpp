// SPDX-License-Identifier: Apache-2.0
#include "daemon/reload.hpp"

#include "daemon/config_keys.hpp"

namespace vivarium {

namespace {

/// A key that a file does not have says the same as one that says what is usual.
std::size_t digest_of(const config_value* value, const std::string& usual) {
  return value != nullptr ? value->digest : std::hash<std::string>{}(usual);
}

} // namespace

reload_report compare(const config_values& before, const config_values& after) {
  reload_report out;
  auto look = [&out](const std::string& key, const config_value* old, const config_value* fresh) {
    const auto& known = old != nullptr ? *old : *fresh;
    if (digest_of(old, known.usual) == digest_of(fresh, known.usual))
      return;
    const auto* row = find_config_key(known.pattern);
    out.changes.push_back({key, old != nullptr ? old->shown : known.usual,
                           fresh != nullptr ? fresh->shown : known.usual,
                           row != nullptr ? row->effect : config_effect::restart});
  };
  // Both are in the order of their keys.
  auto old = before.begin();
  auto fresh = after.begin();
  while (old != before.end() || fresh != after.end()) {
    if (fresh == after.end() || (old != before.end() && old->first < fresh->first)) {
      look(old->first, &old->second, nullptr);
      ++old;
    } else if (old == before.end() || fresh->first < old->first) {
      look(fresh->first, nullptr, &fresh->second);
      ++fresh;
    } else {
      look(old->first, &old->second, &fresh->second);
      ++old;
      ++fresh;
    }
  }
  return out;
}

} // namespace vivarium
