// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vivarium/stream.hpp>

#include <string>

namespace vivarium::cli {

/// Returns the line that shows how far an execution has come, without what a terminal would obey.
[[nodiscard]] std::string progress_line(const event::progress& what);

/// A line on stderr that is written over again and again.
class progress_bar {
public:
  /// On what is no terminal nothing is shown.
  explicit progress_bar(bool on_terminal) noexcept : on_terminal_{on_terminal} {}
  progress_bar(const progress_bar&) = delete;
  progress_bar& operator=(const progress_bar&) = delete;
  ~progress_bar() { clear(); }

  void show(const event::progress& what);
  /// Removes it, so that something else can be written.
  void clear();

private:
  bool on_terminal_;
  bool shown_ = false;
};

} // namespace vivarium::cli
