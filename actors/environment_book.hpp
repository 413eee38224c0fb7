// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/environment.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace vivarium {

/// Which environments there are, and for whom. A value without mailbox or clock; reactor thread.
/// What is found stays valid for as long as it is held, whatever is forgotten meanwhile.
class environment_book {
public:
  /// Those of the configuration, which are everybody's. One with a recipe is there once it is put.
  explicit environment_book(const std::map<std::string, environment_settings>& configured);

  /// Makes `name` mean this, for one tenant or, when `owner` is empty, for all. Returns what it
  /// meant before, which nobody finds any more.
  std::optional<environment_ref> put(const std::string& owner, const std::string& name,
                                     environment_settings what);
  /// Says why there is nothing behind `name` yet.
  void put_trouble(const std::string& owner, const std::string& name, error why);
  /// Forgets `name`; returns what it meant.
  std::optional<environment_ref> drop(const std::string& owner, const std::string& name);

  /// Finds what a tenant means by `name`: its own before everybody's.
  [[nodiscard]] result<environment_ref> find(const std::string& tenant,
                                             const std::string& name) const;
  /// Whether there is such a name, whatever is behind it.
  [[nodiscard]] bool knows(const std::string& owner, const std::string& name) const noexcept;
  /// Whether the name is everybody's, for that tenant.
  [[nodiscard]] bool is_shared(const std::string& tenant, const std::string& name) const noexcept;

private:
  struct entry {
    environment_ref ref; // without settings while there is trouble
    error why;
  };
  using place = std::pair<std::string, std::string>; // owner, name

  std::map<place, entry> entries_;
  std::uint64_t puts_ = 0;
};

} // namespace vivarium
