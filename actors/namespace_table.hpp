// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/service.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace vivarium {

/// The namespaces of one session as clients know them; the symbol tables are in its worker, under a
/// number. Reactor thread.
class namespace_table {
public:
  struct entry {
    std::uint64_t number = 0;
    namespace_info info;
    bridge::value_options values;
    std::uint64_t owner = 0;
  };

  /// Finds one by id or name; null when there is none. Stays valid until it is removed.
  [[nodiscard]] const entry* find(const std::string& id_or_name) const;
  /// Adds one and gives it an id and a number.
  const entry& add(const namespace_request& what, const std::string& session_id);
  void remove(std::uint64_t number);
  /// Numbers of those that a connection owns.
  [[nodiscard]] std::vector<std::uint64_t> owned_by(std::uint64_t owner) const;
  /// Oldest first.
  [[nodiscard]] std::vector<namespace_info> list() const;
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

private:
  std::map<std::uint64_t, entry> entries_; // by number, which grows with age
  std::unordered_map<std::string, std::uint64_t> ids_, names_;
  std::uint64_t next_ = 1;
};

} // namespace vivarium
