// SPDX-License-Identifier: Apache-2.0
#include "interp/ref_ledger.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace vivarium::interp {

namespace {

constexpr std::string_view prefix = "ref_";
constexpr std::string_view alphabet = "abcdefghijklmnopqrstuvwxyz234567";
constexpr std::size_t id_bytes = 16;
constexpr std::size_t id_digits = 26; // 128 bits, 5 a digit; the last one has 2 bits to spare.

using packed_id = std::array<unsigned char, id_bytes>;

packed_id pack(std::uint64_t token, std::uint64_t number) {
  packed_id bytes;
  for (std::size_t i = 0; i < 8; ++i) {
    bytes[i] = static_cast<unsigned char>(token >> (56 - 8 * i));
    bytes[8 + i] = static_cast<unsigned char>(number >> (56 - 8 * i));
  }
  return bytes;
}

struct opened_id {
  std::uint64_t token = 0, number = 0;
};

std::optional<opened_id> open_id(std::string_view id) {
  if (id.size() != prefix.size() + id_digits || !id.starts_with(prefix))
    return std::nullopt;
  packed_id bytes{};
  std::uint32_t bits = 0, held = 0;
  std::size_t at = 0;
  for (char c : id.substr(prefix.size())) {
    auto digit = alphabet.find(c);
    if (digit == std::string_view::npos)
      return std::nullopt;
    bits = (bits << 5 | static_cast<std::uint32_t>(digit)) & 0xfff;
    held += 5;
    if (held >= 8) {
      held -= 8;
      bytes[at++] = static_cast<unsigned char>(bits >> held & 0xff);
    }
  }
  if ((bits & 3) != 0)
    return std::nullopt; // Another spelling of an id is not an id.
  opened_id opened;
  for (std::size_t i = 0; i < 8; ++i) {
    opened.token = opened.token << 8 | bytes[i];
    opened.number = opened.number << 8 | bytes[8 + i];
  }
  return opened;
}

} // namespace

std::string ref_ledger::id_of(std::uint64_t number) const {
  std::string id{prefix};
  std::uint32_t bits = 0, held = 0;
  for (auto byte : pack(token_, number)) {
    bits = (bits << 8 | byte) & 0xffff;
    for (held += 8; held >= 5; held -= 5)
      id += alphabet[bits >> (held - 5) & 31];
  }
  id += alphabet[bits << (5 - held) & 31];
  return id;
}

std::string ref_ledger::keep(object kept, std::uint64_t owner, bool& is_new) {
  auto found = by_object_.find(kept);
  is_new = found == by_object_.end();
  if (is_new) {
    auto at = by_use_.insert(by_use_.end(), {kept, next_number_, now_(), {}});
    if (owner != 0)
      at->owners.push_back(owner);
    by_object_.emplace(kept, at);
    by_number_.emplace(next_number_, at);
    return id_of(next_number_++);
  }
  auto at = found->second;
  auto& owners = at->owners;
  if (owner == 0)
    owners.clear();
  else if (!owners.empty() && std::ranges::find(owners, owner) == owners.end())
    owners.push_back(owner);
  use(at);
  return id_of(at->number);
}

ref_ledger::finding ref_ledger::find(std::string_view id) {
  auto opened = open_id(id);
  if (!opened)
    return {nullptr, ref_miss::unknown};
  if (opened->token != token_)
    return {nullptr, ref_miss::other_session};
  auto found = by_number_.find(opened->number);
  if (found == by_number_.end())
    return {nullptr, why_missing(opened->number)};
  if (is_expired(*found->second))
    return {nullptr, ref_miss::expired}; // It has not been tidied away yet.
  use(found->second);
  return {found->second->kept, ref_miss::none};
}

ref_ledger::object ref_ledger::release(std::string_view id) {
  auto opened = open_id(id);
  if (!opened || opened->token != token_)
    return nullptr;
  auto found = by_number_.find(opened->number);
  return found == by_number_.end() ? nullptr : strike(found->second);
}

std::vector<ref_ledger::object> ref_ledger::release_owner(std::uint64_t owner) {
  std::vector<object> gone;
  for (auto at = by_use_.begin(); at != by_use_.end();) {
    auto here = at++;
    if (std::erase(here->owners, owner) != 0 && here->owners.empty())
      gone.push_back(strike(here));
  }
  return gone;
}

std::vector<ref_ledger::object> ref_ledger::tidy() {
  std::vector<object> gone;
  while (!by_use_.empty() && is_expired(by_use_.front()))
    gone.push_back(strike_because(by_use_.begin(), ref_miss::expired));
  while (max_refs_ != 0 && by_number_.size() > max_refs_)
    gone.push_back(strike_because(by_use_.begin(), ref_miss::evicted));
  return gone;
}

void ref_ledger::configure(std::size_t max_refs, std::uint64_t ttl_ms) noexcept {
  max_refs_ = max_refs;
  ttl_ms_ = ttl_ms;
}

void ref_ledger::use(place at) {
  at->last_use = now_();
  by_use_.splice(by_use_.end(), by_use_, at);
}

ref_ledger::object ref_ledger::strike(place at) {
  auto* kept = at->kept;
  by_number_.erase(at->number);
  by_object_.erase(kept);
  by_use_.erase(at);
  return kept;
}

ref_ledger::object ref_ledger::strike_because(place at, ref_miss why) {
  reasons_.emplace(at->number, why);
  reasons_in_order_.push_back(at->number);
  if (reasons_in_order_.size() > reasons_kept) {
    reasons_.erase(reasons_in_order_.front());
    reasons_in_order_.pop_front();
  }
  return strike(at);
}

ref_miss ref_ledger::why_missing(std::uint64_t number) const {
  if (number == 0 || number >= next_number_)
    return ref_miss::unknown;
  auto reason = reasons_.find(number);
  return reason == reasons_.end() ? ref_miss::released : reason->second;
}

bool ref_ledger::is_expired(const entry& one) const {
  return ttl_ms_ != 0 && now_() - one.last_use >= ttl_ms_;
}

} // namespace vivarium::interp
