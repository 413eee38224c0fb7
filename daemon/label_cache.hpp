// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace vivarium {

/// Finds what belongs to a few label values without building a key. Looks first at what was found
/// lately, which is most often what is wanted; with a thousand tenants the rest is in a table.
template <std::size_t N, class T>
class label_cache {
public:
  using values = std::array<std::string_view, N>;

  /// `make` is called when those values come for the first time. What is returned does not move.
  template <class Make>
  T& find(const values& wanted, Make make) {
    for (std::size_t i = 0; i < recent_.size(); ++i) {
      if (!matches(*recent_[i], wanted))
        continue;
      if (i > 0)
        std::swap(recent_[i], recent_[i - 1]);
      return recent_[i > 0 ? i - 1 : 0]->what;
    }
    auto key = hash_of(wanted);
    auto [from, to] = entries_.equal_range(key);
    auto found =
        std::find_if(from, to, [&](const auto& one) { return matches(*one.second, wanted); });
    if (found == to) {
      auto made = std::make_unique<entry>();
      std::copy(wanted.begin(), wanted.end(), made->values.begin());
      made->what = make();
      found = entries_.emplace(key, std::move(made));
    }
    if (recent_.size() < most_recent)
      recent_.push_back(found->second.get());
    else
      recent_.back() = found->second.get();
    return found->second->what;
  }

private:
  static constexpr std::size_t most_recent = 8;

  struct entry {
    std::array<std::string, N> values;
    T what;
  };
  static bool matches(const entry& e, const values& wanted) {
    return std::equal(wanted.begin(), wanted.end(), e.values.begin());
  }
  static std::size_t hash_of(const values& wanted) {
    std::size_t out = 0;
    for (auto one : wanted)
      out = out * 31 + std::hash<std::string_view>{}(one);
    return out;
  }

  std::vector<entry*> recent_;
  std::unordered_multimap<std::size_t, std::unique_ptr<entry>> entries_;
};

} // namespace vivarium
