// SPDX-License-Identifier: Apache-2.0
#include "daemon/environment_build.hpp"

#include "bridge/validate.hpp"

#include <algorithm>
#include <utility>

namespace vivarium {

namespace {

constexpr std::size_t most_line = 2'000;
constexpr std::size_t most_tail = 16;
constexpr std::size_t most_words = 2'000;

// What foreign packages print goes to terminals: nothing in it may move a cursor.
std::string printable(std::string_view text) {
  std::string out;
  for (char c : text.substr(0, most_line))
    out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
  if (!bridge::is_utf8(out))
    std::replace_if(
        out.begin(), out.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; }, '?');
  return out;
}

} // namespace

std::uint64_t environment_build::watch(std::function<void()> on_progress) {
  watchers_.emplace(next_watcher_, std::move(on_progress));
  return next_watcher_++;
}

void environment_build::leave(std::uint64_t watcher) {
  if (watchers_.erase(watcher) > 0 && watchers_.empty() && !wanted_ && !end_ && cancel_)
    std::exchange(cancel_, nullptr)();
}

const std::string* environment_build::line(std::size_t n) const noexcept {
  return n < lines_.size() ? &lines_[n] : nullptr;
}

void environment_build::write(std::string_view output) {
  for (char c : output)
    if (c == '\n')
      put(std::exchange(begun_, {}));
    else if (begun_.size() < most_line)
      begun_ += c;
  tell();
}

void environment_build::put(std::string line) {
  line = printable(line);
  if (line.find_first_not_of(' ') != std::string::npos) {
    tail_.push_back(line);
    if (tail_.size() > most_tail)
      tail_.pop_front();
  }
  bytes_ += line.size() + sizeof(line);
  if (bytes_ <= most_build_log)
    lines_.push_back(std::move(line));
  else if (!std::exchange(cut_, true))
    lines_.emplace_back("... the rest of the log is left out: it is longer than 1 MiB");
}

void environment_build::finish(result<environment_info> how) {
  if (!begun_.empty())
    put(std::exchange(begun_, {}));
  cancel_ = nullptr;
  end_ = std::move(how);
  tell();
}

std::string environment_build::last_words() const {
  std::string out;
  for (const auto& line : tail_)
    if (!line.starts_with("$ "))
      out += (out.empty() ? "" : "\n") + line;
  if (out.size() <= most_words)
    return out;
  auto from = out.size() - most_words;
  while (from < out.size() && (static_cast<unsigned char>(out[from]) & 0xC0u) == 0x80u)
    ++from; // Not within a character.
  return out.substr(from);
}

void environment_build::tell() const {
  auto all = watchers_; // Whoever is told may leave.
  for (const auto& [number, told] : all)
    told();
}

} // namespace vivarium
