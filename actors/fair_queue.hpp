// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <utility>

namespace vivarium {

/// A queue of several parties, each of which has its turn: what one of them adds waits behind its
/// own, not behind a neighbour's flood. Within a party the order is kept. The number of parties is
/// small (tenants), and one that has nothing waiting is forgotten.
template <class T>
class fair_queue {
public:
  void push(std::string_view party, T what) {
    ++size_;
    for (auto& line : lines_)
      if (line.party == party)
        return line.waiting.push_back(std::move(what));
    lines_.push_back({std::string{party}, {}});
    lines_.back().waiting.push_back(std::move(what));
  }

  /// Takes the first of the party whose turn it is. Must not be empty.
  T pop() {
    auto line = std::move(lines_.front());
    lines_.pop_front();
    auto out = std::move(line.waiting.front());
    line.waiting.pop_front();
    --size_;
    if (!line.waiting.empty())
      lines_.push_back(std::move(line));
    return out;
  }

  /// Takes out everything equal to `what`.
  void erase(const T& what) {
    erase_if([&what](const T& one) { return one == what; });
  }

  /// Takes out everything for which that holds, in one pass.
  template <class Test>
  void erase_if(Test test) {
    for (auto& line : lines_)
      size_ -= std::erase_if(line.waiting, test);
    std::erase_if(lines_, [](const line_of& line) { return line.waiting.empty(); });
  }

  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t parties() const noexcept { return lines_.size(); }

private:
  struct line_of {
    std::string party;
    std::deque<T> waiting;
  };
  std::deque<line_of> lines_; // in the order of their turns
  std::size_t size_ = 0;
};

} // namespace vivarium
