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
  };

  explicit affinity_table(std::size_t most) noexcept : most_{most} {}

  [[nodiscard]] std::optional<home> find(const std::string& key) {
    auto found = places_.find(key);
    if (found == places_.end())
      return std::nullopt;
    order_.splice(order_.begin(), order_, found->second);
    return found->second->second;
  }

  void bind(const std::string& key, std::uint64_t member) {
    if (auto found = places_.find(key); found != places_.end()) {
      found->second->second = home{member};
      order_.splice(order_.begin(), order_, found->second);
      return;
    }
    order_.emplace_front(key, home{member});
    places_[key] = order_.begin();
    if (order_.size() > most_) {
      places_.erase(order_.back().first);
      order_.pop_back();
    }
  }

  void forget(const std::string& key) {
    if (auto found = places_.find(key); found != places_.end()) {
      order_.erase(found->second);
      places_.erase(found);
    }
  }

  /// The session has ended: who asks for one of its keys must hear so.
  void lose(std::uint64_t member) {
    for (auto& [key, where] : order_)
      if (where.member == member)
        where.lost = true;
  }

  [[nodiscard]] std::size_t size() const noexcept { return order_.size(); }

private:
  std::size_t most_;
  std::list<std::pair<std::string, home>> order_; // most recently used first
  std::unordered_map<std::string, std::list<std::pair<std::string, home>>::iterator> places_;
};

} // namespace vivarium
