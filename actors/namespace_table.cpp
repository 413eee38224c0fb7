// SPDX-License-Identifier: Apache-2.0
#include "actors/namespace_table.hpp"

#include "proto/ids.hpp"

namespace vivarium {

const namespace_table::entry* namespace_table::find(const std::string& id_or_name) const {
  const auto& index = looks_like_id(id_kind::name_space, id_or_name) ? ids_ : names_;
  auto found = index.find(id_or_name);
  return found == index.end() ? nullptr : &entries_.at(found->second);
}

const namespace_table::entry& namespace_table::add(const namespace_request& what,
                                                   const std::string& session_id) {
  auto number = next_++;
  auto& made = entries_[number];
  made.number = number;
  made.info.id = make_id(id_kind::name_space);
  made.info.name = what.name;
  made.info.session_id = session_id;
  made.info.created = std::chrono::system_clock::now();
  made.values = what.values;
  made.owner = what.owner;
  ids_[made.info.id] = number;
  if (!what.name.empty())
    names_[what.name] = number;
  return made;
}

void namespace_table::remove(std::uint64_t number) {
  auto found = entries_.find(number);
  if (found == entries_.end())
    return;
  ids_.erase(found->second.info.id);
  if (!found->second.info.name.empty())
    names_.erase(found->second.info.name);
  entries_.erase(found);
}

std::vector<std::uint64_t> namespace_table::owned_by(std::uint64_t owner) const {
  std::vector<std::uint64_t> out;
  for (const auto& [number, one] : entries_)
    if (one.owner == owner)
      out.push_back(number);
  return out;
}

std::vector<namespace_info> namespace_table::list() const {
  std::vector<namespace_info> out;
  out.reserve(entries_.size());
  for (const auto& [number, one] : entries_)
    out.push_back(one.info);
  return out;
}

} // namespace vivarium
