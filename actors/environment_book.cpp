// SPDX-License-Identifier: Apache-2.0
#include "actors/environment_book.hpp"

#include <utility>

namespace vivarium {

namespace {

// Names that tenants choose would make as many time series as they like.
constexpr const char* label_of_tenants = "registered";

} // namespace

environment_book::environment_book(const std::map<std::string, environment_settings>& configured) {
  for (const auto& [name, what] : configured)
    if (what.recipe)
      put_trouble({}, name,
                  error{errc::unavailable, "environment '" + name + "' is not built yet"});
    else
      put({}, name, what);
}

std::optional<environment_ref> environment_book::put(const std::string& owner,
                                                     const std::string& name,
                                                     environment_settings what) {
  auto before = drop(owner, name);
  auto& one = entries_[{owner, name}];
  // No name has these characters, and a number is never used again.
  one.ref.key = name + "@" + owner + "#" + std::to_string(++puts_);
  one.ref.label = owner.empty() ? name : label_of_tenants;
  one.ref.settings = std::make_shared<const environment_settings>(std::move(what));
  return before;
}

void environment_book::put_trouble(const std::string& owner, const std::string& name, error why) {
  auto& one = entries_[{owner, name}];
  one = {};
  one.why = std::move(why);
}

std::optional<environment_ref> environment_book::drop(const std::string& owner,
                                                      const std::string& name) {
  auto node = entries_.extract({owner, name});
  if (!node || !node.mapped().ref.settings)
    return std::nullopt;
  return std::move(node.mapped().ref);
}

result<environment_ref> environment_book::find(const std::string& tenant,
                                               const std::string& name) const {
  auto found = entries_.find({tenant, name});
  if (found == entries_.end())
    found = entries_.find({std::string{}, name});
  if (found == entries_.end())
    return error{errc::not_found, "there is no environment '" + name + "'"};
  if (!found->second.ref.settings)
    return found->second.why;
  return found->second.ref;
}

bool environment_book::knows(const std::string& owner, const std::string& name) const noexcept {
  return entries_.contains({owner, name});
}

bool environment_book::is_shared(const std::string& tenant,
                                 const std::string& name) const noexcept {
  return !knows(tenant, name) && knows({}, name);
}

} // namespace vivarium
