// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

namespace vivarium {

/// Which session of a pool had a key last. Bounded: the key used least recently is forgotten.
class affinity_table {
public:
  /// Where a key is at home.
  struct home {
    std::uint64_t member = 0;
    bool lost = false; ///< That session has ended since, and with it what the key stood for.
    bool strict = false;
  };
  /// Whether a key stands for state in its session, which another one does not have.
  enum class binding : std::uint8_t { hint, strict };

  explicit affinity_table(std::size_t most) noexcept : most_{most} {}

  [[nodiscard]] std::optional<home> find(const std::string& key) {
    auto found = places_.find(key);
    if (found == places_.end())
      return std::nullopt;
    order_.splice(order_.begin(), order_, found->second);
    return found->second->second;
  }

  /// Once it was strict in a session, it is so until it leaves that.
  void bind(const std::string& key, std::uint64_t member, binding how = binding::hint) {
    bool strict = how == binding::strict;
    if (auto found = places_.find(key); found != places_.end()) {
      auto& where = found->second->second;
      strict = strict || (where.strict && !where.lost && where.member == member);
      uncount(where);
      where = home{.member = member, .strict = strict};
      order_.splice(order_.begin(), order_, found->second);
    } else {
      order_.emplace_front(key, home{.member = member, .strict = strict});
      places_[key] = order_.begin();
    }
    if (strict)
      ++strict_[member];
    if (order_.size() > most_) {
      uncount(order_.back().second);
      places_.erase(order_.back().first);
      order_.pop_back();
    }
  }

  void forget(const std::string& key) {
    if (auto found = places_.find(key); found != places_.end()) {
      uncount(found->second->second);
      order_.erase(found->second);
      places_.erase(found);
    }
  }

  /// The session has ended: who asks for one of its keys must hear so.
  void lose(std::uint64_t member) {
    for (auto& [key, where] : order_)
      if (where.member == member)
        where.lost = true;
    strict_.erase(member);
  }

  /// Whether strict keys stand for it.
  [[nodiscard]] bool holds_state(std::uint64_t member) const { return strict_.contains(member); }

  [[nodiscard]] std::size_t size() const noexcept { return order_.size(); }

private:
  void uncount(const home& where) {
    auto found = where.strict && !where.lost ? strict_.find(where.member) : strict_.end();
    if (found != strict_.end() && --found->second == 0)
      strict_.erase(found);
  }

  std::size_t most_;
  std::list<std::pair<std::string, home>> order_;         // most recently used first
  std::unordered_map<std::uint64_t, std::size_t> strict_; // how many strict keys a session has
  std::unordered_map<std::string, std::list<std::pair<std::string, home>>::iterator> places_;
};

} // namespace vivarium
