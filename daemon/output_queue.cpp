// SPDX-License-Identifier: Apache-2.0
#include "daemon/output_queue.hpp"

#include <utility>

namespace vivarium {

namespace {

constexpr std::size_t join_limit = 16u << 10;  // below this copying is cheaper than another piece
constexpr std::size_t piece_limit = 64u << 10; // a joined piece is closed when it is this large
constexpr std::size_t spare_limit = 64u << 10;

} // namespace

void output_queue::append(std::string_view bytes) {
  if (bytes.empty())
    return;
  if (pinned_) {
    sealed_ = true;
    pinned_ = false;
  }
  if (pieces_.empty() || sealed_ || pieces_.back().size() >= piece_limit) {
    pieces_.push_back(std::exchange(spare_, {}));
    pieces_.back().clear();
    sealed_ = false;
  }
  pieces_.back().append(bytes);
  size_ += bytes.size();
}

void output_queue::append(std::string&& bytes) {
  if (bytes.size() < join_limit) {
    append(std::string_view{bytes});
    return;
  }
  size_ += bytes.size();
  pieces_.push_back(std::move(bytes));
  sealed_ = true;
  pinned_ = false;
}

std::span<const boost::asio::const_buffer> output_queue::gather() {
  std::size_t count = 0;
  std::size_t skip = front_offset_;
  for (const auto& piece : pieces_) {
    if (count == max_gather)
      break;
    view_[count++] = boost::asio::const_buffer{piece.data() + skip, piece.size() - skip};
    skip = 0;
  }
  return {view_.data(), count};
}

void output_queue::consume(std::size_t n) {
  pinned_ = false;
  size_ -= n;
  while (n > 0) {
    auto left = pieces_.front().size() - front_offset_;
    if (n < left) {
      front_offset_ += n;
      return;
    }
    n -= left;
    front_offset_ = 0;
    if (pieces_.front().capacity() <= spare_limit)
      spare_ = std::move(pieces_.front());
    pieces_.pop_front();
  }
  if (pieces_.empty())
    sealed_ = false;
}

} // namespace vivarium
